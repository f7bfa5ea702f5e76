//! Tests of the trend.
