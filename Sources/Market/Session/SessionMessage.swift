import Bitcoin
import Bytes
import Channel

/// Where a job stands. Ordered: a job only moves forward.
public enum JobPhase: UInt8, Comparable, Sendable {
  case agreed = 0
  case funded = 1
  case transferring = 2
  case running = 3
  case frozen = 4
  case exited = 5
  case receipted = 6

  public static func < (left: JobPhase, right: JobPhase) -> Bool { left.rawValue < right.rawValue }

  public var text: String {
    switch self {
    case .agreed: return "agreed"
    case .funded: return "funded"
    case .transferring: return "transferring"
    case .running: return "running"
    case .frozen: return "frozen"
    case .exited: return "exited"
    case .receipted: return "receipted"
    }
  }
}

/// Why one side refuses to go on.
public enum RefusalCode: UInt8, Equatable, Sendable {
  /// The message does not decode, or makes no sense now.
  case badMessage = 0
  /// The announcement, offer, bid or contract is not acceptable.
  case unacceptable = 1
  /// The price is too high or too low.
  case price = 2
  /// The machine does not fit: processor, memory, isolation.
  case machine = 3
  /// No place is free: enough workers are hired, or the machine is busy.
  case taken = 4
  /// The contract is not known here (any more).
  case unknownContract = 5
  /// The bundle is not what the contract says.
  case bundle = 6
  /// The funding or a payment is not what the contract says.
  case money = 7
  /// A fault on the refusing side.
  case internalFault = 8
}

/// What is said on the control stream of a session, between the handshake and the receipt. The
/// provider speaks first. Bundle and results travel on streams of their own. Every message may be
/// said again after a broken connection.
public enum SessionMessage: Equatable, Sendable {
  /// Provider: I call about the announcement in this transaction (wire byte order).
  case hello(announcementTxid: Bytes32)
  /// Provider: I call again about a contract.
  case resume(ResumeState)
  /// Publisher: an ``Offer``'s bytes.
  case offer([UInt8])
  /// Provider: a capability report's bytes and a ``Bid``'s bytes.
  case bid(report: [UInt8], bid: [UInt8])
  /// Publisher: a ``Contract``'s bytes, signed.
  case contract(body: [UInt8], publisherSignature: [UInt8])
  /// Provider: I sign too.
  case accept(providerSignature: [UInt8])
  /// Either: I do not go on. At most 256 bytes of plain text.
  case refuse(code: RefusalCode, text: [UInt8])
  /// Publisher: the channel's funding is, or will be, this output.
  case funding(outPoint: OutPoint, amountSat: UInt64)
  /// Provider: I see the funding, deep enough.
  case funded(height: UInt32)
  /// Provider: the whole bundle is here and has the contract's digest.
  case bundleComplete
  /// Provider: the job runs, since this time on my clock.
  case started(unixSeconds: UInt64)
  /// Provider: what was used so far, and what I take to be owed.
  case usage(UsageReport)
  /// Publisher: a payment.
  case payment(ChannelPayment)
  /// Provider: the payment with this number is on my disk.
  case paymentStored(sequence: UInt64)
  /// Provider: the job is frozen until the next payment.
  case frozen
  case thawed
  /// Provider: its owner needs the machine, for this reason; the job stands still, unpaid, until
  /// `thawed`. At most 256 bytes of plain text.
  case paused(text: [UInt8])
  /// Publisher: end the job. Either: I stop for this reason; at most 256 bytes of plain text.
  case stop(text: [UInt8])
  /// Provider: the job has ended.
  case exited(JobExit)
  /// Provider: a ``Receipt``'s bytes, signed.
  case receipt(body: [UInt8], providerSignature: [UInt8])
  /// Publisher: I sign the receipt too.
  case receiptSigned(publisherSignature: [UInt8])
  /// Publisher's answer to `resume`: where I stand.
  case resumeState(ResumeState)
  /// Publisher: start a further program beside the job.
  case execute(ProgramRequest)
  /// Provider: it runs; its streams may be opened.
  case programStarted(id: UInt32)
  /// Provider: it has ended, or could not be started. What it printed may still be on its way.
  case programEnded(ProgramEnd)
  /// Publisher: to the program's process group.
  case programSignal(id: UInt32, number: UInt8)
  /// Publisher: the terminal has another size now.
  case programResize(id: UInt32, TerminalSize)
}

/// Where one side stands, so that both can go on after a broken connection.
public struct ResumeState: Equatable, Sendable {
  public var contract: Bytes32
  public var phase: JobPhase
  /// The last payment stored (provider) or signed (publisher); 0 for none.
  public var paymentSequence: UInt64
  public var paidSat: UInt64
  /// Bytes of the bundle that the provider holds, or that the publisher has sent.
  public var bundleBytes: UInt64
  /// Bytes of the results that the provider has sent, or that the publisher holds.
  public var resultBytes: UInt64

  public init(
    contract: Bytes32, phase: JobPhase, paymentSequence: UInt64, paidSat: UInt64,
    bundleBytes: UInt64, resultBytes: UInt64
  ) {
    self.contract = contract
    self.phase = phase
    self.paymentSequence = paymentSequence
    self.paidSat = paidSat
    self.bundleBytes = bundleBytes
    self.resultBytes = resultBytes
  }
}

/// A provider's account of a running job.
public struct UsageReport: Equatable, Sendable {
  /// Counts from 1.
  public var sequence: UInt64
  public var usage: UsageVector
  public var owedSat: UInt64
  public var isFrozen: Bool

  public init(sequence: UInt64, usage: UsageVector, owedSat: UInt64, isFrozen: Bool) {
    self.sequence = sequence
    self.usage = usage
    self.owedSat = owedSat
    self.isFrozen = isFrozen
  }
}

/// How a job ended, and what results wait.
public struct JobExit: Equatable, Sendable {
  public var kind: ExitKind
  public var status: Int32
  public var resultBytes: UInt64
  /// SHA-256 of the results' bytes; zero without results.
  public var resultDigest: Bytes32

  public init(kind: ExitKind, status: Int32, resultBytes: UInt64, resultDigest: Bytes32) {
    self.kind = kind
    self.status = status
    self.resultBytes = resultBytes
    self.resultDigest = resultDigest
  }
}
