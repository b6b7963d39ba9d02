import Agent
import Bitcoin
import Bytes
import Crypto
import Host
import Market
import Sandbox
import Storage

/// Bundles that are kept for later jobs, if the owner wants that. A cached file counts for nothing until
/// its digest is checked again: disks err, and what runs here is what its publisher signed for.
extension AgentProgram {
  static func openCache(_ configuration: Configuration, _ folder: DataFolder, _ log: Log)
    -> FileCache?
  {
    do throws(HostError) {
      return try FileCache(
        path: folder.path + "/bundles", quotaBytes: UInt64(configuration.cacheMiB) << 20)
    } catch {
      log.warning("bundles: " + error.message)
      return nil
    }
  }

  /// Copies the bundle into memory, and looks at the digest of what was copied.
  func load(_ key: JobKey, _ digest: Bytes32, _ bytes: UInt64) {
    machine.bundleLoaded(key, isStaged: stage(body(key), digest, bytes), now)
  }

  private func stage(_ body: JobBody, _ digest: Bytes32, _ bytes: UInt64) -> Bool {
    guard let cache, let size = cache.size(digest.hex) else { return false }
    var hash = Sha256()
    var problem = "of another size"
    do throws(HostError) {
      if size == bytes {
        let file = try MemoryFile()
        _ = try cache.read(digest.hex) { (piece) throws(HostError) in
          hash.update(piece)
          try file.append(piece)
        }
        if hash.finish() == digest && file.sizeBytes == bytes {
          body.bundle = file
          return true
        }
        problem = "damaged"
      }
    } catch { problem = error.message }
    log.warning("bundle " + digest.hex + " in the cache is " + problem + ": removed")
    do throws(HostError) { try cache.remove(digest.hex) } catch { log.warning(error.message) }
    dropIfEmpty(body)
    return false
  }

  func keepBundle(_ key: JobKey, _ digest: Bytes32) {
    guard let cache, cache.quotaBytes > 0, let bundle = body(key).bundle else { return }
    do throws(HostError) {
      _ = try cache.store(digest.hex, sizeBytes: bundle.sizeBytes) {
        (offset) throws(HostError) in
        try bundle.read(at: offset, count: AgentProgram.chunkBytes)
      }
    } catch { log.warning("bundle: " + error.message) }
  }
}
