import Bytes

/// The number of a stream within one connection. Initiators open odd numbers, responders even ones;
/// numbers rise and are never used again.
public struct StreamId: Hashable, Sendable {
  public let raw: UInt32

  public init(raw: UInt32) { self.raw = raw }
}

/// What a stream carries.
public enum StreamKind: UInt8, Sendable {
  /// Publisher to job.
  case standardInput = 1
  /// Job to publisher.
  case standardOutput = 2
  /// Job to publisher.
  case standardError = 3
  /// Both ways; not resumed.
  case terminal = 4
  /// A file to the agent, such as the bundle.
  case fileIn = 5
  /// A file from the agent, such as a result.
  case fileOut = 6
}

/// What an opened stream is and where in it the two ends are: the token by which a stream that a
/// broken connection cut is resumed on a new one.
///
/// A stream has a `key` that outlives connections (the contract's digest, a file's digest). The end
/// that *receives* the bytes knows how many it has kept; so it resumes: after the new handshake it
/// opens a stream with the same kind and key, and `receiveOffset` = the bytes it kept. The other
/// end finds the source by kind and key and sends from that offset. Bytes that were in flight are
/// sent again and none is given twice. The sender keeps its source (a file, or the job's output on
/// disk) until the level above says that all arrived. ``SessionMachine/opening(of:)`` gives the
/// token with the offsets as they stand, also after a failure.
public struct StreamOpening: Equatable, Sendable {
  public var kind: StreamKind
  public var key: Bytes32
  /// The place, in the whole sequence of bytes, of the first byte that the opener sends.
  public var sendOffset: UInt64
  /// The place of the first byte that the opener wants.
  public var receiveOffset: UInt64

  public init(
    kind: StreamKind, key: Bytes32 = .zero, sendOffset: UInt64 = 0, receiveOffset: UInt64 = 0
  ) {
    self.kind = kind
    self.key = key
    self.sendOffset = sendOffset
    self.receiveOffset = receiveOffset
  }
}
