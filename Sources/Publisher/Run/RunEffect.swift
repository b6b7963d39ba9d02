import Bitcoin
import Bytes

/// An accepted connection, for the driver: never used twice in one process.
public struct CallKey: Hashable, Sendable {
  public let value: UInt64
  public init(_ value: UInt64) { self.value = value }
}

/// What a run asks of its driver. The driver carries effects out in the order given and finishes
/// each before the next: what is stored is on disk before anything after it happens. A store that
/// fails ends the program.
public enum RunEffect: Equatable, Sendable {
  /// For the timeline; 0 error, 1 warning, 2 info, 3 debug.
  case log(level: UInt8, String)

  // MARK: The workers' connections

  case transmit(CallKey, [UInt8])
  /// Send what was transmitted before, then close. `workerDisconnected` is not called for it.
  case hangUp(CallKey)

  // MARK: The chain

  /// From now on tell of everything that touches this script, from `fromHeight` on.
  case watch(script: [UInt8], fromHeight: UInt32)
  case unwatch(script: [UInt8])
  /// Relay, and again until it confirms.
  case broadcast(Transaction)
  case forget(txid: Bytes32)

  // MARK: Disk, synchronously

  /// Replace the record of the run.
  case storeRun(id: Bytes32, [UInt8])
  /// Replace the record of a hire.
  case storeHire(contract: Bytes32, [UInt8])
  /// Replace the state of a channel; neither the last payment's number nor its amount ever falls.
  case storeChannel(contract: Bytes32, sequence: UInt64, amountSat: UInt64, [UInt8])
  /// Replace the wallet's document.
  case storeWallet([UInt8])
  /// Channel keys below this index are used up.
  case storeChannelIndex(UInt32)

  // MARK: What the workers make

  /// Bytes of the results of a worker; `offset` 0 starts the file afresh.
  case appendResults(worker: UInt16, offset: UInt64, [UInt8])
  /// The file is whole and has the digest that the worker told: make it durable, and unpack it.
  case keepResults(worker: UInt16)
  /// What a job printed.
  case print(worker: UInt16, isError: Bool, [UInt8])
  /// Something about a further program, by the number that `startProgram` gave.
  case program(UInt32, ProgramEvent)
}

extension RunEffect {
  /// The effect's name, by which tests say where a publisher is to be killed.
  public var name: StaticString {
    switch self {
    case .log: return "log"
    case .transmit: return "transmit"
    case .hangUp: return "hangUp"
    case .watch: return "watch"
    case .unwatch: return "unwatch"
    case .broadcast: return "broadcast"
    case .forget: return "forget"
    case .storeRun: return "storeRun"
    case .storeHire: return "storeHire"
    case .storeChannel: return "storeChannel"
    case .storeWallet: return "storeWallet"
    case .storeChannelIndex: return "storeChannelIndex"
    case .appendResults: return "appendResults"
    case .keepResults: return "keepResults"
    case .print: return "print"
    case .program: return "program"
    }
  }
}
