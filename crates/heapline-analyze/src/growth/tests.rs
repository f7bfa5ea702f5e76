//! Tests of the growth.
