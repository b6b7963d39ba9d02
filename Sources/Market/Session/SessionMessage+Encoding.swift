import Bitcoin
import Bytes
import Channel
import Crypto

/// One type byte, then the fields in fixed order, little-endian, CompactSize lengths.
extension SessionMessage {
  enum Kind {
    static let hello: UInt8 = 1
    static let resume: UInt8 = 2
    static let offer: UInt8 = 3
    static let bid: UInt8 = 4
    static let contract: UInt8 = 5
    static let accept: UInt8 = 6
    static let refuse: UInt8 = 7
    static let funding: UInt8 = 8
    static let funded: UInt8 = 9
    static let bundleComplete: UInt8 = 10
    static let started: UInt8 = 11
    static let usage: UInt8 = 12
    static let payment: UInt8 = 13
    static let paymentStored: UInt8 = 14
    static let frozen: UInt8 = 15
    static let thawed: UInt8 = 16
    static let paused: UInt8 = 40
    static let stop: UInt8 = 17
    static let exited: UInt8 = 18
    static let receipt: UInt8 = 19
    static let receiptSigned: UInt8 = 20
    static let resumeState: UInt8 = 21
    static let execute: UInt8 = 22
    static let programStarted: UInt8 = 23
    static let programEnded: UInt8 = 24
    static let programSignal: UInt8 = 25
    static let programResize: UInt8 = 26
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 128)
    switch self {
    case .hello(let txid):
      writer.u8(Kind.hello)
      writer.append(txid)
    case .resume(let state):
      writer.u8(Kind.resume)
      state.encode(to: &writer)
    case .resumeState(let state):
      writer.u8(Kind.resumeState)
      state.encode(to: &writer)
    case .refuse(let code, let text):
      writer.u8(Kind.refuse)
      writer.u8(code.rawValue)
      writer.lengthPrefixed(text)
    case .stop(let text):
      writer.u8(Kind.stop)
      writer.lengthPrefixed(text)
    case .frozen: writer.u8(Kind.frozen)
    case .thawed: writer.u8(Kind.thawed)
    case .paused(let text):
      writer.u8(Kind.paused)
      writer.lengthPrefixed(text)
    case .bundleComplete: writer.u8(Kind.bundleComplete)
    default: encodeAgreement(to: &writer)
    }
    return writer.bytes
  }

  /// Documents and signatures.
  private func encodeAgreement(to writer: inout ByteWriter) {
    switch self {
    case .offer(let bytes):
      writer.u8(Kind.offer)
      writer.lengthPrefixed(bytes)
    case .bid(let report, let bid):
      writer.u8(Kind.bid)
      writer.lengthPrefixed(report)
      writer.lengthPrefixed(bid)
    case .contract(let body, let signature):
      writer.u8(Kind.contract)
      writer.lengthPrefixed(body)
      writer.append(signature)
    case .accept(let signature):
      writer.u8(Kind.accept)
      writer.append(signature)
    case .receipt(let body, let signature):
      writer.u8(Kind.receipt)
      writer.lengthPrefixed(body)
      writer.append(signature)
    case .receiptSigned(let signature):
      writer.u8(Kind.receiptSigned)
      writer.append(signature)
    default: encodeWork(to: &writer)
    }
  }

  /// Money and progress.
  private func encodeWork(to writer: inout ByteWriter) {
    switch self {
    case .funding(let outPoint, let amountSat):
      writer.u8(Kind.funding)
      outPoint.encode(to: &writer)
      writer.u64le(amountSat)
    case .funded(let height):
      writer.u8(Kind.funded)
      writer.u32le(height)
    case .started(let unixSeconds):
      writer.u8(Kind.started)
      writer.u64le(unixSeconds)
    case .usage(let report):
      writer.u8(Kind.usage)
      writer.u64le(report.sequence)
      report.usage.encode(to: &writer)
      writer.u64le(report.owedSat)
      writer.u8(report.isFrozen ? 1 : 0)
    case .payment(let payment):
      writer.u8(Kind.payment)
      payment.encode(to: &writer)
    case .paymentStored(let sequence):
      writer.u8(Kind.paymentStored)
      writer.u64le(sequence)
    case .exited(let exit):
      writer.u8(Kind.exited)
      writer.u8(exit.kind.rawValue)
      writer.u32le(UInt32(bitPattern: exit.status))
      writer.u64le(exit.resultBytes)
      writer.append(exit.resultDigest)
    default: encodeProgram(to: &writer)
    }
  }

  /// Further programs beside the job.
  private func encodeProgram(to writer: inout ByteWriter) {
    switch self {
    case .execute(let request):
      writer.u8(Kind.execute)
      request.encode(to: &writer)
    case .programStarted(let id):
      writer.u8(Kind.programStarted)
      writer.u32le(id)
    case .programEnded(let end):
      writer.u8(Kind.programEnded)
      writer.u32le(end.id)
      writer.u8(end.kind.rawValue)
      writer.u32le(UInt32(bitPattern: end.status))
    case .programSignal(let id, let number):
      writer.u8(Kind.programSignal)
      writer.u32le(id)
      writer.u8(number)
    case .programResize(let id, let size):
      writer.u8(Kind.programResize)
      writer.u32le(id)
      writer.u16le(size.rows)
      writer.u16le(size.columns)
    default: break
    }
  }
}

extension ResumeState {
  func encode(to writer: inout ByteWriter) {
    writer.append(contract)
    writer.u8(phase.rawValue)
    writer.u64le(paymentSequence)
    writer.u64le(paidSat)
    writer.u64le(bundleBytes)
    writer.u64le(resultBytes)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> ResumeState {
    ResumeState(
      contract: try reader.bytes32("contract"),
      phase: JobPhase(rawValue: try reader.u8("phase", 0...JobPhase.receipted.rawValue))
        ?? .agreed,
      paymentSequence: try reader.u64("payment"), paidSat: try reader.u64("paid"),
      bundleBytes: try reader.u64("bundle bytes", 0...Limits.maxBundleBytes),
      resultBytes: try reader.u64("result bytes", 0...Limits.maxBundleBytes))
  }
}
