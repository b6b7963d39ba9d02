"""The cross toolchain of Zennet's agent: Embedded Swift, zig's musl, C libraries from Debian."""
