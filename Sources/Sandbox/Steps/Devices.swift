import CHost

/// A minimal /dev: the harmless devices, a terminal multiplexer of its own, shared memory. Devices cannot
/// be made in a user namespace, so the machine's are bound in. `random` is `urandom`, as before Linux 5.6
/// whoever reads it makes the owner's programs wait for more; terminals are counted, as all sandboxes
/// together cannot have more than some thousands.
enum Devices {
  static func steps(_ context: PlanContext) -> [Step] {
    let dev = context.root + "/dev"
    let quiet = MountFlag.noSuid | MountFlag.noExecute
    var steps = [
      Step.mount("zennet", on: dev, type: "tmpfs", flags: quiet, options: "size=64k,mode=0755")
    ]
    for name in Text.names("null zero full random urandom tty") {
      let path = dev + "/" + name
      let file = Step.makeFile(path)
      let source = Text.same(name, "random") ? "urandom" : name
      steps += [file, Step.mount("/dev/" + source, on: path, flags: MountFlag.bind)]
    }
    steps += [
      Step.makeDirectory(dev + "/pts"),
      Step.mount(
        "devpts", on: dev + "/pts", type: "devpts", flags: quiet,
        options: "newinstance,ptmxmode=0666,mode=0620,max=64"),
      Step.makeDirectory(dev + "/shm"),
      link(dev + "/ptmx", to: "pts/ptmx"),
      link(dev + "/fd", to: "/proc/self/fd"),
      link(dev + "/stdin", to: "/proc/self/fd/0"),
      link(dev + "/stdout", to: "/proc/self/fd/1"),
      link(dev + "/stderr", to: "/proc/self/fd/2"),
    ]
    steps += ProcFileSystem.processorSteps(in: dev)
    steps += [
      Step.mount(
        "", on: dev, flags: MountFlag.remount | MountFlag.bind | MountFlag.readOnly | quiet)
    ]
    return steps
  }

  private static func link(_ path: String, to target: String) -> Step {
    var step = Step("symlink " + path, HOST_SYMLINK, HOST_PHASE_INNER)
    step.path = path
    step.text = target
    return step
  }
}
