import Agent
import Bitcoin
import Bytes
import Crypto
import Host
import Market
import Sandbox
import Storage

/// What one job has of this machine: its connection, its staged bundle, its sandbox, its results.
final class JobBody {
  let key: JobKey
  var connection: ConnectionId?
  /// The bundle as it came; given to the sandbox, then dropped.
  var bundle: MemoryFile?
  var bundleOffset: UInt64 = 0
  var process: SandboxProcess?
  /// Processor time of the sandbox at the last look at the owner's peace.
  var cpuMs: UInt64 = 0
  /// Input of the job that its pipe has not taken yet.
  var input: [UInt8] = []
  var inputIsEnded = false
  /// Beside the job, for the publisher.
  var programs: [ProgramBody] = []
  /// `/out`, collected.
  var results: MemoryFile?
  var resultsHash = Sha256()
  var resultsLimit: UInt64 = 0
  var resultsAreTooLarge = false
  /// Between the wish for the results and their end.
  var isCollecting = false

  init(key: JobKey) { self.key = key }

  /// The descriptors of a job, each with a watch token of its own.
  enum Port: UInt64 {
    case control = 0
    case bundle = 1
    case input = 2
    case output = 3
    case error = 4
    case results = 5
  }

  static func token(_ key: JobKey, _ port: Port) -> UInt64 {
    UInt64(key.value) << 8 | port.rawValue
  }

  static func subject(of token: UInt64) -> (JobKey, Port)? {
    guard let port = Port(rawValue: token & 255) else { return nil }
    return (JobKey(UInt32(truncatingIfNeeded: token >> 8)), port)
  }

  /// The descriptor behind a port; -1 where it is closed.
  func descriptor(_ port: Port) -> Int32 {
    guard let process else { return -1 }
    switch port {
    case .control: return process.control
    case .bundle: return process.bundle
    case .input: return process.stdin
    case .output: return process.stdout
    case .error: return process.stderr
    case .results: return process.results
    }
  }
}
