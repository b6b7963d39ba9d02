import CHost

/// What the kernel's accounting says of a job at one moment. Cumulative except `memoryBytes`, `socketBytes`.
struct CgroupReading: Equatable {
  var cpuNs: UInt64 = 0
  /// What waits in sockets included.
  var memoryBytes: UInt64 = 0
  var memoryPeakBytes: UInt64 = 0
  var diskReadBytes: UInt64 = 0
  var diskWriteBytes: UInt64 = 0
  /// What of the memory version 1 counts apart, and beyond any limit: a first packet for each socket.
  var socketBytes: UInt64 = 0
}

/// Reads what the kernel counts of a job. The files stay open and a look allocates nothing, as a job whose
/// contract's number is small is looked at ten times a second.
final class CgroupReader {
  private enum Subject: Int, CaseIterable {
    case processor, memory, memoryPeak, disk, sockets

    /// Its file of version 1.
    var first: String {
      switch self {
      case .processor: return "cpuacct.usage"
      case .memory: return "memory.usage_in_bytes"
      case .memoryPeak: return "memory.max_usage_in_bytes"
      case .disk: return "blkio.throttle.io_service_bytes"
      case .sockets: return "memory.kmem.tcp.usage_in_bytes"
      }
    }

    /// Its file of version 2; nil where another has it too.
    var second: String? {
      switch self {
      case .processor: return "cpu.stat"
      case .memory: return "memory.current"
      case .memoryPeak: return "memory.peak"
      case .disk: return "io.stat"
      case .sockets: return nil
      }
    }

    func place(_ layout: CgroupLayout) -> CgroupPlace {
      switch self {
      case .processor: return layout.cpuAccounting
      case .disk: return layout.blkio
      case .memory, .memoryPeak, .sockets: return layout.memory
      }
    }
  }

  private let cgroup: JobCgroup
  /// By subject. -1: not opened yet; -2: not there, as without its controller.
  private var descriptors = [Int32](repeating: -1, count: Subject.allCases.count)
  private var buffer = [UInt8](repeating: 0, count: 4096)

  private static let largest = 65_536

  init(_ cgroup: JobCgroup) { self.cgroup = cgroup }

  deinit { close() }

  func close() {
    for index in descriptors.indices {
      if descriptors[index] >= 0 { _ = host_sandbox_close(descriptors[index]) }
      descriptors[index] = -2
    }
  }

  func read() -> CgroupReading {
    let layout = cgroup.layout
    var reading = CgroupReading()
    var count = load(.processor)
    reading.cpuNs =
      layout.cpuAccounting.isVersion2 ? sum("usage_usec ", count) &* 1000 : number(at: 0, count)
    reading.socketBytes = number(at: 0, load(.sockets))
    reading.memoryBytes = number(at: 0, load(.memory)) &+ reading.socketBytes
    reading.memoryPeakBytes = number(at: 0, load(.memoryPeak))
    // Lines `8:0 rbytes=N wbytes=N …`, or `8:0 Read N`.
    count = load(.disk)
    let second = layout.blkio.isVersion2
    reading.diskReadBytes = sum(second ? "rbytes=" : "Read ", count)
    reading.diskWriteBytes = sum(second ? "wbytes=" : "Write ", count)
    return reading
  }

  private func open(_ subject: Subject) -> Int32 {
    let place = subject.place(cgroup.layout)
    guard place.isPresent, let file = place.isVersion2 ? subject.second : subject.first else {
      return -2
    }
    let descriptor = cgroup.path(place, file).withCString {
      host_sandbox_open_read(-1, $0)
    }
    return descriptor < 0 ? -2 : descriptor
  }

  /// Reads a file from its start into the buffer; returns how many bytes there are.
  private func load(_ subject: Subject) -> Int {
    var descriptor = descriptors[subject.rawValue]
    if descriptor == -1 {
      descriptor = open(subject)
      descriptors[subject.rawValue] = descriptor
    }
    if descriptor < 0 { return 0 }
    var have = 0
    while true {
      let got = buffer.withUnsafeMutableBufferPointer {
        host_sandbox_read_at(
          descriptor, $0.baseAddress! + have, UInt64($0.count - have), UInt64(have))
      }
      if got <= 0 { return have }
      have += Int(got)
      // The kernel gives what fits a page; most files are a line.
      if have < 2048 { return have }
      if have == buffer.count {
        if have >= CgroupReader.largest { return have }
        buffer.append(contentsOf: repeatElement(0, count: have))
      }
    }
  }

  /// The digits from `start` on; 0 where there are none, or too many.
  private func number(at start: Int, _ count: Int) -> UInt64 {
    var value: UInt64 = 0
    var at = start
    while at < count, buffer[at] >= 0x30, buffer[at] <= 0x39 {
      let (tens, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = tens.addingReportingOverflow(UInt64(buffer[at] - 0x30))
      if first || second { return 0 }
      value = sum
      at += 1
    }
    return value
  }

  /// All numbers that follow a word which starts with `key`.
  private func sum(_ key: StaticString, _ count: Int) -> UInt64 {
    var total: UInt64 = 0
    let length = key.utf8CodeUnitCount
    var at = 0
    while at + length < count {
      var same = 0
      while same < length && buffer[at + same] == key.utf8Start[same] { same += 1 }
      if same == length { total &+= number(at: at + length, count) }
      while at < count && buffer[at] != 0x20 && buffer[at] != 0x0a { at += 1 }
      at += 1
    }
    return total
  }
}
