"""The machines that the agent is built for, and what each compiler must be told about them."""

from dataclasses import dataclass, field

# Of an agent, in bytes: the build of a larger one fails.
SIZE_LIMIT = 2_500_000


@dataclass(frozen=True)
class Target:
    """One machine. `cross/README.md` gives the reason of every flag."""

    name: str
    swift_triple: str
    zig_triple: str
    libc_headers: str  # the folder of zig's musl headers
    kernel_headers: str  # the folder of zig's Linux headers
    qemu: str  # the suffix of qemu-user-static that runs it
    bits: int
    processor: str = ""  # the oldest one that it must run on, as qemu calls it
    zig_flags: tuple[str, ...] = field(default=())
    # For C that does not compute much, where small code is also slow code.
    small_flags: tuple[str, ...] = field(default=())
    computing_flags: tuple[str, ...] = field(default=())  # for C that does
    swift_flags: tuple[str, ...] = field(default=())


# Half the size of an instruction for most of them. zig's cc knows no -mthumb. ARMv6's has no long
# multiplication, so what computes does without there.
THUMB = ("-Xclang", "-target-feature", "-Xclang", "+thumb-mode")

TARGETS = {
    target.name: target
    for target in (
        Target(
            "x86_64", "x86_64-unknown-none-elf", "x86_64-linux-musl",
            "x86_64-linux-musl", "x86-linux-any", "x86_64", 64,
            # Where a loop lies decides how fast it is: not what else is in the program.
            computing_flags=("-falign-functions=32",),
        ),
        Target(
            "i686", "i686-unknown-none-elf", "x86-linux-musl",
            "x86-linux-musl", "x86-linux-any", "i386", 32, "pentium2",
            zig_flags=("-mcpu=pentium2",),
            swift_flags=("-Xcc", "-march=pentium2", "-target-cpu", "pentium2"),
        ),
        Target(
            "armv6", "armv6-none-none-eabi", "arm-linux-musleabi",
            "arm-linux-musl", "arm-linux-any", "arm", 32, "arm1176",
            zig_flags=("-mcpu=arm1176jzf_s",), small_flags=THUMB,
            swift_flags=("-Xcc", "-mthumb"),
        ),
        Target(
            "armv7", "armv7-none-none-eabi", "arm-linux-musleabi",
            "arm-linux-musl", "arm-linux-any", "arm", 32, "cortex-a7",
            zig_flags=("-mcpu=generic+v7a",), small_flags=THUMB, computing_flags=THUMB,
            swift_flags=("-Xcc", "-mthumb"),
        ),
        Target(
            "aarch64", "aarch64-none-none-elf", "aarch64-linux-musl",
            "aarch64-linux-musl", "aarch64-linux-any", "aarch64", 64, "cortex-a53",
        ),
        Target(
            "riscv64", "riscv64-none-none-eabi", "riscv64-linux-musl",
            "riscv64-linux-musl", "riscv-linux-any", "riscv64", 64,
            swift_flags=("-Xcc", "-mabi=lp64d", "-Xcc", "-march=rv64gc"),
        ),
    )
}
