import CHost

/// What the kernel's accounting says of a job at one moment. Cumulative except `memoryBytes`.
struct CgroupReading: Equatable {
  var cpuNs: UInt64 = 0
  var memoryBytes: UInt64 = 0
  var memoryPeakBytes: UInt64 = 0
  var diskReadBytes: UInt64 = 0
  var diskWriteBytes: UInt64 = 0
}

/// Reads what the kernel counts of a job. The files stay open and a look allocates nothing, as a job whose
/// contract's number is small is looked at fifty times a second.
final class CgroupReader {
  private struct File {
    let path: String
    /// -1: not opened yet; -2: not there.
    var descriptor: Int32 = -1
  }

  private let layout: CgroupLayout
  private var cpu: File
  private var memory: File
  private var memoryPeak: File
  private var disk: File
  private var buffer = [UInt8](repeating: 0, count: 4096)

  private static let largest = 65_536

  init(_ cgroup: JobCgroup) {
    layout = cgroup.layout
    let second = layout.memory.isVersion2
    cpu = File(
      path: cgroup.path(
        layout.cpuAccounting, layout.cpuAccounting.isVersion2 ? "cpu.stat" : "cpuacct.usage"))
    memory = File(
      path: cgroup.path(layout.memory, second ? "memory.current" : "memory.usage_in_bytes"))
    memoryPeak = File(
      path: cgroup.path(layout.memory, second ? "memory.peak" : "memory.max_usage_in_bytes"))
    disk = File(
      path: cgroup.path(
        layout.blkio, layout.blkio.isVersion2 ? "io.stat" : "blkio.throttle.io_service_bytes"))
  }

  deinit { close() }

  func close() {
    for descriptor in [cpu, memory, memoryPeak, disk].map({ $0.descriptor }) where descriptor >= 0 {
      _ = host_sandbox_close(descriptor)
    }
    cpu.descriptor = -2
    memory.descriptor = -2
    memoryPeak.descriptor = -2
    disk.descriptor = -2
  }

  func read() -> CgroupReading {
    var reading = CgroupReading()
    if layout.cpuAccounting.isPresent {
      let count = load(&cpu)
      reading.cpuNs =
        layout.cpuAccounting.isVersion2
        ? sum("usage_usec ", count) &* 1000 : number(at: 0, count)
    }
    if layout.memory.isPresent {
      reading.memoryBytes = number(at: 0, load(&memory))
      reading.memoryPeakBytes = number(at: 0, load(&memoryPeak))
    }
    if layout.blkio.isPresent {
      // Lines `8:0 rbytes=N wbytes=N …`, or `8:0 Read N`.
      let count = load(&disk)
      let second = layout.blkio.isVersion2
      reading.diskReadBytes = sum(second ? "rbytes=" : "Read ", count)
      reading.diskWriteBytes = sum(second ? "wbytes=" : "Write ", count)
    }
    return reading
  }

  /// Reads a file from its start into the buffer; returns how many bytes there are.
  private func load(_ file: inout File) -> Int {
    if file.descriptor == -1 {
      let opened = file.path.withCString { host_sandbox_open_read(-1, $0) }
      file.descriptor = opened < 0 ? -2 : opened
    }
    if file.descriptor < 0 { return 0 }
    var have = 0
    while true {
      let got = buffer.withUnsafeMutableBufferPointer {
        host_sandbox_read_at(
          file.descriptor, $0.baseAddress! + have, UInt64($0.count - have), UInt64(have))
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
