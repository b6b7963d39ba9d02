/// One decoder, or a few that belong together, as libFuzzer and the tests see them: bytes that
/// anybody may have written go in, and whatever they are, nothing may be found.
public struct FuzzTarget: Sendable {
  /// The name of the target's corpus, and of its file.
  public let name: String
  /// Throws what an input broke. A trap is a finding too, and needs no help.
  public let run: @Sendable ([UInt8]) throws(FuzzFinding) -> Void
  /// Inputs that our own encoders made, from which fuzzing starts.
  public let seeds: @Sendable () -> [[UInt8]]

  public static let all = [
    message, stream, transaction, block, filter, lightClient, text, document, handshake, frames,
    configuration, network, bundle, image, control, publisher, stored, status, agent, run,
  ]
}

/// A promise that an input broke.
public struct FuzzFinding: Error, Equatable {
  public let broken: String
}

func require(_ holds: Bool, _ promise: @autoclosure () -> String) throws(FuzzFinding) {
  if !holds { throw FuzzFinding(broken: promise()) }
}
