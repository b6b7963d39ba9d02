import Bytes
import Crypto
import Host
import Sandbox

/// Reads a task's results from its sandbox into memory.
struct ResultFile {
  private var file: MemoryFile?
  private let limitBytes: UInt64
  private var hash = Sha256()

  /// Throws if there is no memory.
  init(limitBytes: UInt64) throws(HostError) {
    file = try MemoryFile()
    self.limitBytes = limitBytes
  }

  /// The most chunks of one call, so that other descriptors are served too.
  private static let mostChunks = 16

  /// Reads bytes of the pipe. Returns whether it has ended.
  mutating func read(_ descriptor: Int32) -> Bool {
    for _ in 0..<ResultFile.mostChunks where descriptor >= 0 {
      switch Pipes.read(descriptor, StandardStreams.chunkBytes) {
      case .bytes(let bytes): append(bytes)
      // More follows.
      case .wouldBlock: return false
      case .ended: return true
      }
    }
    return descriptor < 0
  }

  /// Bytes beyond the limit are read and dropped, because the packer blocks otherwise.
  private mutating func append(_ bytes: [UInt8]) {
    guard let open = file else { return }
    if open.sizeBytes + UInt64(bytes.count) > limitBytes {
      file = nil
      return
    }
    hash.update(bytes)
    do throws(HostError) { try open.append(bytes) } catch { file = nil }
  }

  /// Nil if the results exceed the limit or an error occurred.
  mutating func finish(_ collected: CollectedResults) -> (file: MemoryFile, digest: Bytes32)? {
    guard let file, collected != .broken else { return nil }
    return (file, hash.finish())
  }
}
