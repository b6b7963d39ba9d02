import CHost

/// A minimal /dev: the harmless devices, the sandbox's own terminal multiplexer, shared memory. The number of
/// terminals is limited, because all sandboxes together can have only some thousands.
///
/// The device nodes are the sandbox's own. A watch on the host's nodes (inotify(7)) shows who opens them and slows
/// every use of them; a lock on them locks others out. Only root of the host can make nodes that can be opened,
/// before it changes its user id. An agent of an ordinary user, and root's before Linux 5.2, bind the host's
/// nodes instead, and the filter refuses watches and locks.
enum Devices {
  /// Steps that need root of the host.
  static func ownSteps(_ context: PlanContext) -> [Step] {
    if !context.features.ownDevices { return [] }
    var step = Step("device nodes", HOST_MAKE_DEVICES, HOST_PHASE_OUTER)
    // Process 1 creates the other entries, so it owns the root folder.
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
        // Before Linux 5.6 a reader of `random` takes entropy that the owner's programs then wait for.
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

  /// Makes /dev read-only, once it also has the files that cover parts of /proc.
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
