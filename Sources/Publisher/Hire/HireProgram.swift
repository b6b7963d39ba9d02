import Bytes
import Market
import Session

/// A further program beside a worker's job, as its publisher sees it.
struct HireProgram {
  static let window = 65_536

  let id: UInt32
  /// What its streams are called.
  let key: Bytes32
  let isTerminal: Bool
  var input: StreamId?
  /// Standard output (or the terminal), and standard error.
  var output: [StreamId?] = [nil, nil]
  var outputHasEnded: [Bool]
  /// Nobody will send it more.
  var inputIsEnded = false
  var end: ProgramEnd?

  init(_ request: ProgramRequest, contract: Bytes32) {
    id = request.id
    key = ProgramRequest.streamKey(contract: contract, id: request.id)
    isTerminal = request.terminal != nil
    outputHasEnded = [false, request.terminal != nil]
  }

  /// How it ended, once all that it printed is here.
  var ended: ProgramEnd? {
    guard let end else { return nil }
    return end.kind == .neverRan || !outputHasEnded.contains(false) ? end : nil
  }
}

/// What happens to a further program, for whoever asked for it.
public enum ProgramEvent: Equatable, Sendable {
  /// Say `programOutputTaken` when it is disposed of.
  case output(isError: Bool, [UInt8])
  /// `programInput` may take more again.
  case inputRoom
  case ended(ProgramEnd)
  /// It is not known how it ended, or it could not be asked for.
  case failed(String)
}
