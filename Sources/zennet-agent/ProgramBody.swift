import Agent
import Bitcoin
import Bytes
import Crypto
import Host
import Market
import Sandbox
import Storage

/// What one further program beside a job has of this machine.
final class ProgramBody {
  /// The publisher's number for it.
  let id: UInt32
  /// Which of the job's places for programs it has: part of its watch tokens.
  let slot: UInt64
  let program: SandboxProgram
  var input: [UInt8] = []
  var inputIsEnded = false
  /// Its terminal's size, until there is a terminal to be told.
  var size: TerminalSize?
  var hasStarted = false
  var hasEnded = false

  init(id: UInt32, slot: UInt64, program: SandboxProgram) {
    self.id = id
    self.slot = slot
    self.program = program
  }

  enum Port: UInt64 {
    case input = 0
    case output = 1
    case error = 2
  }

  /// Ports of programs come after the job's own.
  static let firstPort: UInt64 = 16
  static let slots: UInt64 = 8

  func token(_ job: JobBody, _ port: Port) -> UInt64 {
    UInt64(job.key.value) << 8 | (ProgramBody.firstPort + slot * 4 + port.rawValue)
  }

  func descriptor(_ port: Port) -> Int32 {
    switch port {
    case .input: return program.stdin
    case .output: return program.stdout
    case .error: return program.stderr
    }
  }
}
