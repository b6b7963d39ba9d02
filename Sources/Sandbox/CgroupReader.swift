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
/// contract's number is small is looked at fifty times a second.
final class CgroupReader {
  private let layout: CgroupLayout
  /// Those of processor, memory, its peak, disk, sockets. Without the controller there is no such file.
  private let paths: [String]
  /// -1: not opened yet; -2: not there.
  private var descriptors: [Int32] = [-1, -1, -1, -1, -1]
  private var buffer = [UInt8](repeating: 0, count: 4096)

  private static let largest = 65_536

  init(_ cgroup: JobCgroup) {
    layout = cgroup.layout
    let firsts = Text.names(
      """
      cpuacct.usage memory.usage_in_bytes memory.max_usage_in_bytes
      blkio.throttle.io_service_bytes memory.kmem.tcp.usage_in_bytes
      """)
    let seconds = Text.names("cpu.stat memory.current memory.peak io.stat -")
    var paths: [String] = []
    for index in 0..<5 {
      let place =
        index == 0 ? layout.cpuAccounting : index == 3 ? layout.blkio : layout.memory
      paths.append(cgroup.path(place, place.isVersion2 ? seconds[index] : firsts[index]))
    }
    self.paths = paths
  }

  deinit { close() }

  func close() {
    for index in descriptors.indices {
      if descriptors[index] >= 0 { _ = host_sandbox_close(descriptors[index]) }
      descriptors[index] = -2
    }
  }

  func read() -> CgroupReading {
    var reading = CgroupReading()
    var count = load(0)
    reading.cpuNs =
      layout.cpuAccounting.isVersion2 ? sum("usage_usec ", count) &* 1000 : number(at: 0, count)
    reading.socketBytes = number(at: 0, load(4))
    reading.memoryBytes = number(at: 0, load(1)) &+ reading.socketBytes
    reading.memoryPeakBytes = number(at: 0, load(2))
    // Lines `8:0 rbytes=N wbytes=N …`, or `8:0 Read N`.
    count = load(3)
    let second = layout.blkio.isVersion2
    reading.diskReadBytes = sum(second ? "rbytes=" : "Read ", count)
    reading.diskWriteBytes = sum(second ? "wbytes=" : "Write ", count)
    return reading
  }

  /// Reads a file from its start into the buffer; returns how many bytes there are.
  private func load(_ index: Int) -> Int {
    var descriptor = descriptors[index]
    if descriptor == -1 {
      descriptor = paths[index].withCString { host_sandbox_open_read(-1, $0) }
      descriptors[index] = descriptor < 0 ? -2 : descriptor
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
