/// One resource controller: the directory under which this agent makes `zennet/<owner>.<job>`.
public struct CgroupPlace: Sendable {
  /// Empty: the kernel lacks the controller, or it is not delegated to this user.
  public var directory: String = ""
  /// Where the hierarchy is mounted.
  public var mount: String = ""
  public var isVersion2: Bool = false

  public init() {}
  public var isPresent: Bool { !directory.utf8.isEmpty }
}

/// Where the kernel's resource controllers are. Versions 1 and 2 may be mixed.
public struct CgroupLayout: Sendable {
  public var cpu = CgroupPlace()
  public var cpuAccounting = CgroupPlace()
  public var memory = CgroupPlace()
  public var freezer = CgroupPlace()
  public var pids = CgroupPlace()
  public var blkio = CgroupPlace()
  /// The version 2 hierarchy, even if it holds no controllers: it can kill a whole cgroup at once.
  public var unified = CgroupPlace()

  public init() {}

  public enum Mode: UInt8, Sendable {
    case none, version1, version2, hybrid
    public var name: String {
      switch self {
      case .none: return "none"
      case .version1: return "version 1"
      case .version2: return "version 2"
      case .hybrid: return "versions 1 and 2"
      }
    }
  }

  public var mode: Mode {
    let first = places.contains { $0.isPresent && !$0.isVersion2 }
    if first { return unified.isPresent ? .hybrid : .version1 }
    return unified.isPresent ? .version2 : .none
  }

  var controllers: [CgroupPlace] { [cpu, cpuAccounting, memory, freezer, pids, blkio] }
  var places: [CgroupPlace] { controllers + [unified] }

  /// Reads what is mounted (proc(5): mountinfo) and where this process is (cgroups(7)).
  public static func detect() -> CgroupLayout {
    parse(
      mounts: System.read("/proc/self/mountinfo", limit: 1 << 20) ?? [],
      own: System.read("/proc/self/cgroup") ?? [], isUsable: isUsable)
  }

  /// Jobs can be placed below a directory that this user may write to.
  private static func isUsable(_ directory: String) -> Bool {
    System.isDirectory(directory) && System.mayWrite(directory)
      && System.mayWrite(directory + "/cgroup.procs")
  }

  /// The pure part of ``detect()``.
  static func parse(
    mounts: [UInt8], own: [UInt8], isUsable: (String) -> Bool
  ) -> CgroupLayout {
    var layout = CgroupLayout()
    for line in Text.lines(mounts) {
      let words = Text.words(line)
      guard let dash = words.firstIndex(where: { Text.equal($0, "-") }), dash >= 5,
        dash + 3 < words.count
      else { continue }
      let second = Text.equal(words[dash + 1], "cgroup2")
      if !second && !Text.equal(words[dash + 1], "cgroup") { continue }
      let options = Text.split(words[dash + 3], on: 0x2c)
      guard let path = ownPath(own, version2: second, options: options) else { continue }
      var directory = join(mount: words[4], root: words[3], path: path)
      if second, let above = aboveLeaf(path) {
        let outer = join(mount: words[4], root: words[3], path: above)
        if isUsable(outer) { directory = outer }
      }
      if !isUsable(directory) { continue }
      var place = CgroupPlace()
      place.directory = directory
      place.mount = Text.string(words[4])
      place.isVersion2 = second
      if second {
        layout.adopt(unified: place)
      } else {
        layout.adopt(place, controllers: options)
      }
    }
    return layout
  }

  /// Where an agent of version 2 goes, so that its jobs can be beside it.
  static let leaf = "zennet-agent"

  /// A shell whose last agent went into the leaf is there too: its next agent's jobs belong where the
  /// last one's were.
  private static func aboveLeaf(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard let last = Text.split(path, on: 0x2f).last, last.elementsEqual(leaf.utf8) else {
      return nil
    }
    let parent = path.dropLast(leaf.utf8.count + 1)
    return parent.isEmpty ? path.prefix(1) : parent
  }

  private mutating func adopt(_ place: CgroupPlace, controllers: [ArraySlice<UInt8>]) {
    for name in controllers {
      if Text.equal(name, "cpu") { cpu = place }
      if Text.equal(name, "cpuacct") { cpuAccounting = place }
      if Text.equal(name, "memory") { memory = place }
      if Text.equal(name, "freezer") { freezer = place }
      if Text.equal(name, "pids") { pids = place }
      if Text.equal(name, "blkio") { blkio = place }
    }
  }

  private mutating func adopt(unified place: CgroupPlace) {
    unified = place
    let available = System.read(place.directory + "/cgroup.controllers") ?? []
    for line in Text.lines(available) {
      for name in Text.words(line) {
        if Text.equal(name, "cpu") { cpu = place }
        if Text.equal(name, "memory") { memory = place }
        if Text.equal(name, "pids") { pids = place }
        if Text.equal(name, "io") { blkio = place }
      }
    }
    // cpu.stat is in every version 2 cgroup, cgroup.freeze since Linux 5.2. Version 1 wins if present.
    if !cpuAccounting.isPresent { cpuAccounting = place }
    if !freezer.isPresent { freezer = place }
  }

  /// This process's path in a hierarchy: lines `id:controllers:path`.
  private static func ownPath(
    _ own: [UInt8], version2: Bool, options: [ArraySlice<UInt8>]
  ) -> ArraySlice<UInt8>? {
    for line in Text.lines(own) {
      guard let first = line.firstIndex(of: 0x3a),
        let second = line[(first + 1)...].firstIndex(of: 0x3a)
      else { continue }
      let controllers = line[(first + 1)..<second]
      let path = line[(second + 1)...]
      if path.first != 0x2f { continue }
      if version2 {
        if controllers.isEmpty { return path }
        continue
      }
      for name in Text.split(controllers, on: 0x2c) {
        if options.contains(where: { $0.elementsEqual(name) }) { return path }
      }
    }
    return nil
  }

  /// The directory of `path` where a mount shows the hierarchy from `root` down.
  private static func join(
    mount: ArraySlice<UInt8>, root: ArraySlice<UInt8>, path: ArraySlice<UInt8>
  ) -> String {
    var below = path
    if root.count > 1 && path.starts(with: root) { below = path.dropFirst(root.count) }
    while below.last == 0x2f { below = below.dropLast() }
    return Text.string(mount + below)
  }
}
