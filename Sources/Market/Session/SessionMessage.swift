import Bitcoin
import Bytes
import Channel
import Crypto

/// What is sent on the control stream of a session. Bundles, results and the tasks' standard streams
/// travel on streams of their own. Every message may be sent again after a broken connection.
///
/// One type byte, then the fields in fixed order: little-endian integers, CompactSize lengths. A reader
/// passes over odd types that it does not know, and refuses even ones.
public enum SessionMessage: Equatable, Sendable {
  /// Provider, first: what I call about.
  case hello(features: PeerFeatures, subject: CallSubject)
  /// Publisher, first.
  case welcome(features: PeerFeatures)
  /// Publisher: an ``Offer``'s bytes.
  case offer([UInt8])
  /// Provider: a capability report's bytes, a ``Bid``'s bytes and its signature.
  case bid(report: [UInt8], bid: [UInt8], signature: [UInt8])
  /// Publisher: a ``Contract``'s bytes, signed.
  case contract(body: [UInt8], publisherSignature: [UInt8])
  /// Provider: signs the contract too, and gives its key for the next channel.
  case accept(providerSignature: [UInt8], nextKey: [UInt8])
  /// Either: I do not go on. At most 256 bytes of plain text.
  case refuse(code: RefusalCode, text: [UInt8])
  /// Either, after `hello` and `welcome` of a lease that exists: the publisher first.
  case state(LeaseState)
  /// Publisher: the transaction that funds a channel, and which of its outputs does.
  case funding(channel: UInt8, transaction: [UInt8], output: UInt32)
  /// Provider: what it sees of a channel's funding.
  case fundingState(channel: UInt8, sight: FundingSight)
  /// Publisher: a task. The streams of its output may be opened right behind it.
  case task(TaskOrder)
  /// Provider: where a task stands.
  case taskState(number: UInt32, state: TaskState)
  /// Provider: a task's line.
  case taskEnded(TaskLine)
  /// Publisher: it holds so many lines for good.
  case linesStored(count: UInt32)
  /// Publisher: end a task; at most 256 bytes of plain text.
  case taskStop(number: UInt32, text: [UInt8])
  /// Provider: what was used so far, and what it takes to be owed.
  case usage(UsageReport)
  /// Publisher: a payment.
  case payment(channel: UInt8, payment: ChannelPayment)
  /// Provider: the payment with this number is on its disk.
  case paymentStored(channel: UInt8, sequence: UInt64)
  /// Provider: a ``Statement``'s bytes, signed.
  case statement(body: [UInt8], providerSignature: [UInt8])
  /// Publisher: signs the statement with this digest too.
  case statementSigned(digest: Bytes32, publisherSignature: [UInt8])
  /// Publisher: the lease ends; no more tasks. Tasks that run end as stopped.
  case end(text: [UInt8])
  /// Provider: its owner ends the lease after so long; no more tasks.
  case leaving(noticeMs: UInt32, text: [UInt8])
  /// Provider: the final statement, signed, and its signatures over the close of every channel.
  case receipt(body: [UInt8], providerSignature: [UInt8], closes: [SignedClose])
  /// Publisher: signs the final statement too.
  case receiptSigned(publisherSignature: [UInt8])
  /// Publisher: sign the close of a channel at more rungs: those from this one on.
  case closeWanted(channel: UInt8, fromRung: UInt8)
  /// Provider: the answer, or an early close that both want.
  case closeSigned(SignedClose)
  /// Provider: whether tasks run; at most 256 bytes of plain text.
  case standing(Standing, text: [UInt8])
  /// Publisher: a ``TopUp``'s bytes, signed.
  case topUp(body: [UInt8], publisherSignature: [UInt8])
  /// Provider: signs the top-up too, and gives its key for the next channel.
  case topUpAccepted(number: UInt8, providerSignature: [UInt8], nextKey: [UInt8])
  /// Provider: fees have risen: the next channel's ladder should reach at least this rate.
  case topUpWanted(topRungSatPerKvB: UInt32)
  /// Publisher: start an exec session.
  case execute(ExecRequest)
  /// Provider: it runs; its streams may be opened.
  case execStarted(id: UInt32)
  /// Provider: it has ended, or could not be started. Its output may still be under way.
  case execEnded(ExecEnd)
  /// Publisher: to the session's process group.
  case execSignal(id: UInt32, number: UInt8)
  /// Publisher: the terminal's new size.
  case execResize(id: UInt32, TerminalSize)
  /// A type that this version does not know, and may pass over.
  case unknown(type: UInt8)
}
