import Bytes
import Foundation
import Host

/// The output of one worker's tasks, kept in the run's folder for `zennet logs`: records of time,
/// stream, task and bytes. Bounded: a full file is rotated, and one rotated file is kept.
public enum JobLog {
  /// The size at which a worker's file is rotated.
  static let fileBytes: UInt64 = 4 << 20
  private static let headerBytes = 17

  public struct Record: Equatable, Sendable {
    public var unixMs: UInt64
    public var isError: Bool
    public var task: UInt32
    public var bytes: [UInt8]
  }

  static func path(_ runFolder: String, worker: UInt16) -> String {
    runFolder + "/worker-\(worker).log"
  }

  /// Appends a record. Errors are ignored, so that a full disk does not stop the run.
  static func append(
    _ runFolder: String, worker: UInt16, task: UInt32, isError: Bool, _ bytes: [UInt8]
  ) {
    let file = path(runFolder, worker: worker)
    if let status = try? Files.status(file), status.sizeBytes >= fileBytes {
      try? Files.rename(file, to: file + ".old")
    }
    var writer = ByteWriter(reserving: bytes.count + headerBytes)
    writer.u64le(UInt64(Date().timeIntervalSince1970 * 1000))
    writer.u8(isError ? 2 : 1)
    writer.u32le(task)
    writer.u32le(UInt32(bytes.count))
    writer.append(bytes)
    try? Files.append(file, writer.bytes)
  }

  /// The workers of a run that have a log.
  public static func workers(_ runFolder: String) -> [UInt16] {
    let names = (try? Files.list(runFolder)) ?? []
    return names.compactMap { name in
      guard name.hasPrefix("worker-"), name.hasSuffix(".log") else { return nil }
      return UInt16(name.dropFirst("worker-".count).dropLast(".log".count))
    }.sorted()
  }

  /// Reads the kept records, then records that are added later.
  public struct Reader {
    private let path: String
    private var file: FileHandle?
    private var bytes: [UInt8] = []

    public init(_ runFolder: String, worker: UInt16) {
      path = JobLog.path(runFolder, worker: worker)
      file = FileHandle(forReadingAtPath: path + ".old")
    }

    /// The next record; nil if none is available. A damaged record ends the file.
    public mutating func next() -> Record? {
      while true {
        if let record = take() { return record }
        if let more = try? file?.read(upToCount: 65_536), !more.isEmpty {
          bytes.append(contentsOf: more)
        } else if !openNext() {
          return nil
        }
      }
    }

    private mutating func take() -> Record? {
      var reader = ByteReader(bytes)
      guard let unixMs = try? reader.u64le(), let stream = try? reader.u8(),
        let task = try? reader.u32le(), let count = try? reader.u32le(),
        let body = try? reader.take(Int(count))
      else { return nil }
      bytes.removeFirst(reader.offset)
      return Record(unixMs: unixMs, isError: stream == 2, task: task, bytes: body)
    }

    /// Opens the file that follows a rotated one; false if there is none.
    private mutating func openNext() -> Bool {
      guard let next = FileHandle(forReadingAtPath: path) else { return false }
      if let file, JobLog.isSame(file, next) { return false }
      file = next
      bytes = []
      return true
    }
  }

  private static func isSame(_ left: FileHandle, _ right: FileHandle) -> Bool {
    var first = stat()
    var second = stat()
    return fstat(left.fileDescriptor, &first) == 0 && fstat(right.fileDescriptor, &second) == 0
      && first.st_ino == second.st_ino && first.st_dev == second.st_dev
  }
}
