import Bitcoin
import Bytes
import Channel
import Crypto

extension SessionMessage {
  /// Throws `malformed` or `refused`, naming the field and the byte. Documents inside are taken as
  /// bytes: they are decoded by whoever wants them.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> SessionMessage {
    var reader = DocumentReader(bytes)
    let kind = try reader.u8("message type")
    let message = try body(kind, &reader)
    try reader.finish()
    return message
  }

  private static func body(
    _ kind: UInt8, _ reader: inout DocumentReader
  ) throws(MarketError) -> SessionMessage {
    switch kind {
    case Kind.hello: return .hello(announcementTxid: try reader.bytes32("announcement"))
    case Kind.resume: return .resume(try ResumeState.decode(&reader))
    case Kind.resumeState: return .resumeState(try ResumeState.decode(&reader))
    case Kind.offer: return .offer(try document("offer", &reader))
    case Kind.bid:
      return .bid(report: try document("report", &reader), bid: try document("bid", &reader))
    case Kind.contract:
      return .contract(
        body: try document("contract", &reader), publisherSignature: try signature(&reader))
    case Kind.accept: return .accept(providerSignature: try signature(&reader))
    case Kind.refuse:
      let code = try reader.u8("refusal", 0...RefusalCode.internalFault.rawValue)
      return .refuse(code: RefusalCode(rawValue: code) ?? .badMessage, text: try plain(&reader))
    case Kind.receipt:
      return .receipt(
        body: try document("receipt", &reader), providerSignature: try signature(&reader))
    case Kind.receiptSigned: return .receiptSigned(publisherSignature: try signature(&reader))
    case Kind.stop: return .stop(text: try plain(&reader))
    case Kind.frozen: return .frozen
    case Kind.thawed: return .thawed
    case Kind.paused: return .paused(text: try plain(&reader))
    case Kind.bundleComplete: return .bundleComplete
    default: return try work(kind, &reader)
    }
  }

  private static func work(
    _ kind: UInt8, _ reader: inout DocumentReader
  ) throws(MarketError) -> SessionMessage {
    switch kind {
    case Kind.funding:
      let outPoint = try reader.read("funding") { (reader) throws(BytesError) in
        try OutPoint.decode(&reader)
      }
      return .funding(outPoint: outPoint, amountSat: try reader.u64("amount", Limits.amountSat))
    case Kind.funded:
      return .funded(height: try reader.u32("height", 0...(Limits.heightLimit - 1)))
    case Kind.started: return .started(unixSeconds: try reader.u64("start"))
    case Kind.usage:
      return .usage(
        UsageReport(
          sequence: try reader.u64("sequence", 1...UInt64.max),
          usage: try UsageVector.decode(&reader), owedSat: try reader.u64("owed"),
          isFrozen: try reader.bool("frozen")))
    case Kind.payment:
      return .payment(
        try reader.read("payment") { (reader) throws(BytesError) in
          try ChannelPayment.decode(&reader)
        })
    case Kind.paymentStored:
      return .paymentStored(sequence: try reader.u64("sequence", 1...UInt64.max))
    case Kind.exited:
      return .exited(
        JobExit(
          kind: try ExitKind.decode(&reader),
          status: Int32(bitPattern: try reader.u32("exit status")),
          resultBytes: try reader.u64("result bytes", 0...Limits.maxBundleBytes),
          resultDigest: try reader.bytes32("result digest")))
    default: return try program(kind, &reader)
    }
  }

  private static func program(
    _ kind: UInt8, _ reader: inout DocumentReader
  ) throws(MarketError) -> SessionMessage {
    switch kind {
    case Kind.execute: return .execute(try ProgramRequest.decode(&reader))
    case Kind.programStarted: return .programStarted(id: try id(&reader))
    case Kind.programEnded:
      return .programEnded(
        ProgramEnd(
          id: try id(&reader), kind: try ExitKind.decode(&reader),
          status: Int32(bitPattern: try reader.u32("exit status"))))
    case Kind.programSignal:
      return .programSignal(
        id: try id(&reader), number: try reader.u8("signal", ProgramRequest.signals))
    case Kind.programResize:
      return .programResize(
        id: try id(&reader),
        TerminalSize(rows: try reader.u16("rows"), columns: try reader.u16("columns")))
    default: throw reader.refuse("message type", at: 0, "unknown")
    }
  }

  private static func id(_ reader: inout DocumentReader) throws(MarketError) -> UInt32 {
    try reader.u32("program", 1...UInt32.max)
  }

  private static func document(
    _ field: StaticReason, _ reader: inout DocumentReader
  ) throws(MarketError) -> [UInt8] {
    try reader.bytes(field, 1...Limits.maxDocumentBytes)
  }

  private static func signature(_ reader: inout DocumentReader) throws(MarketError) -> [UInt8] {
    try reader.fixed("signature", Ed25519.signatureLength)
  }

  private static func plain(_ reader: inout DocumentReader) throws(MarketError) -> [UInt8] {
    let start = reader.offset
    let text = try reader.bytes("text", 0...Limits.maxTextBytes)
    if !TextRules.isPlain(text) { throw reader.refuse("text", at: start, "not plain text") }
    return text
  }
}
