import Bytes
import Crypto
import Host
import Sandbox

/// A task's results on their way from its sandbox into memory.
struct ResultFile {
  private var file: MemoryFile?
  private let limitBytes: UInt64
  private var hash = Sha256()

  /// Throws where there is no memory.
  init(limitBytes: UInt64) throws(HostError) {
    file = try MemoryFile()
    self.limitBytes = limitBytes
  }

  /// Chunks that are taken at once: others wait for their turn as well.
  private static let mostChunks = 16

  /// Takes what the pipe holds, or a part of it. True: it has ended.
  mutating func read(_ descriptor: Int32) -> Bool {
    for _ in 0..<ResultFile.mostChunks where descriptor >= 0 {
      switch Pipes.read(descriptor, StandardStreams.chunkBytes) {
      case .bytes(let bytes): append(bytes)
      // More than the pipe holds is still to come.
      case .wouldBlock: return false
      case .ended: return true
      }
    }
    return descriptor < 0
  }

  /// What is too much is read all the same, as its packer waits for that.
  private mutating func append(_ bytes: [UInt8]) {
    guard let open = file else { return }
    if open.sizeBytes + UInt64(bytes.count) > limitBytes {
      file = nil
      return
    }
    hash.update(bytes)
    do throws(HostError) { try open.append(bytes) } catch { file = nil }
  }

  /// Nil where they are too large, or could not be packed or held.
  mutating func finish(_ collected: CollectedResults) -> (file: MemoryFile, digest: Bytes32)? {
    guard let file, collected != .broken else { return nil }
    return (file, hash.finish())
  }
}
