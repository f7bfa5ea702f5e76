"""What `jumps` does, but that no line is moved."""

import jumps


def main():
    jumps.main(move=False)
