"""The only code that makes network system calls."""
