import CHost

/// A minimal /dev: the harmless devices, a terminal multiplexer of its own, shared memory; terminals are
/// counted, as all sandboxes together cannot have more than some thousands.
///
/// The device nodes are the sandbox's own. Who watches the machine's with inotify(7) sees who opens them and is
/// told of every use, which takes time of whoever uses them; who locks them locks others out. Nodes that
/// can be opened are made by the machine's root alone, before he is anybody else. An ordinary user's agent, and
/// root's before Linux 5.2, bind the machine's nodes in, and the filter then lets nobody watch or lock.
enum Devices {
  /// Taken by the machine's root.
  static func ownSteps(_ context: PlanContext) -> [Step] {
    if !context.features.ownDevices { return [] }
    var step = Step("device nodes", HOST_MAKE_DEVICES, HOST_PHASE_OUTER)
    // Process 1 makes the rest.
    step.a = UInt64(context.hasUserNamespace ? context.identity : 0)
    return [step]
  }

  static func steps(_ context: PlanContext) -> [Step] {
    let dev = context.root + "/dev"
    var steps: [Step] = []
    if context.features.ownDevices {
      var place = Step("mount " + dev, HOST_PLACE_DEVICES, HOST_PHASE_INNER)
      place.path = dev
      steps.append(place)
    } else {
      steps.append(
        Step.mount("zennet", on: dev, type: "tmpfs", flags: quiet, options: "size=64k,mode=0755"))
      for name in Text.names("null zero full random urandom tty") {
        let path = dev + "/" + name
        // Before Linux 5.6 who reads `random` makes the owner's programs wait for more.
        let source = Text.same(name, "random") ? "urandom" : name
        steps += [
          Step.makeFile(path), Step.mount("/dev/" + source, on: path, flags: MountFlag.bind),
        ]
      }
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
    return steps + ProcFileSystem.processorSteps(in: dev)
  }

  /// With what covers parts of /proc in it.
  static func readOnlySteps(_ context: PlanContext) -> [Step] {
    [
      Step.mount(
        "", on: context.root + "/dev",
        flags: MountFlag.remount | MountFlag.bind | MountFlag.readOnly | quiet)
    ]
  }

  private static let quiet = MountFlag.noSuid | MountFlag.noExecute

  private static func link(_ path: String, to target: String) -> Step {
    var step = Step("symlink " + path, HOST_SYMLINK, HOST_PHASE_INNER)
    step.path = path
    step.text = target
    return step
  }
}
