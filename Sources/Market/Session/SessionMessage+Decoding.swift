import Bitcoin
import Bytes
import Channel
import Crypto

extension SessionMessage {
  /// Throws `malformed` or `refused`, naming the field and the byte. Documents inside are taken as
  /// bytes: whoever wants them decodes them.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> SessionMessage {
    var reader = DocumentReader(bytes)
    let type = try reader.u8("message type")
    let message = try negotiation(type, &reader)
    if case .unknown = message { return message }
    try reader.finish()
    return message
  }

  private static func negotiation(
    _ type: UInt8, _ reader: inout DocumentReader
  ) throws(MarketError) -> SessionMessage {
    switch type {
    case MessageType.hello:
      return .hello(
        features: try PeerFeatures.decode(&reader),
        subject: try CallSubject.decode(&reader))
    case MessageType.welcome: return .welcome(features: try PeerFeatures.decode(&reader))
    case MessageType.offer: return .offer(try reader.document("offer"))
    case MessageType.bid:
      return .bid(
        report: try reader.document("report"),
        bid: try reader.document("bid"),
        signature: try reader.signature())
    case MessageType.contract:
      return .contract(
        body: try reader.document("contract"),
        publisherSignature: try reader.signature())
    case MessageType.accept:
      return .accept(
        providerSignature: try reader.signature(),
        nextKey: try reader.publicKey("next key"))
    case MessageType.refuse:
      return .refuse(code: try RefusalCode.decode(&reader), text: try reader.shortText())
    default: return try money(type, &reader)
    }
  }

  private static func money(
    _ type: UInt8, _ reader: inout DocumentReader
  ) throws(MarketError) -> SessionMessage {
    switch type {
    case MessageType.state: return .state(try LeaseState.decode(&reader))
    case MessageType.funding:
      return .funding(
        channel: try reader.channelNumber(),
        transaction: try reader.bytes("transaction", 1...ChannelTerms.maxFundingBytes),
        output: try reader.u32("output"))
    case MessageType.fundingState:
      return .fundingState(
        channel: try reader.channelNumber(),
        sight: try FundingSight.decode(&reader))
    case MessageType.usage: return .usage(try reader.usageReport())
    case MessageType.payment:
      return .payment(channel: try reader.channelNumber(), payment: try reader.payment())
    case MessageType.paymentStored:
      return .paymentStored(
        channel: try reader.channelNumber(),
        sequence: try reader.u64("sequence", 1...UInt64.max))
    case MessageType.statement:
      return .statement(
        body: try reader.document("statement"),
        providerSignature: try reader.signature())
    case MessageType.statementSigned:
      return .statementSigned(
        digest: try reader.bytes32("digest"),
        publisherSignature: try reader.signature())
    case MessageType.end: return .end(text: try reader.shortText())
    default: return try end(type, &reader)
    }
  }

  private static func end(
    _ type: UInt8, _ reader: inout DocumentReader
  ) throws(MarketError) -> SessionMessage {
    switch type {
    case MessageType.leaving:
      return .leaving(noticeMs: try reader.u32("noticeMs"), text: try reader.shortText())
    case MessageType.receipt:
      return .receipt(
        body: try reader.document("statement"),
        providerSignature: try reader.signature(),
        closes: try reader.signedCloses())
    case MessageType.receiptSigned:
      return .receiptSigned(publisherSignature: try reader.signature())
    case MessageType.closeWanted:
      return .closeWanted(
        channel: try reader.channelNumber(),
        fromRung: try reader.u8("rung", 0...UInt8(ChannelTerms.maxRungs - 1)))
    case MessageType.closeSigned: return .closeSigned(try reader.signedClose())
    case MessageType.standing: return .standing(try reader.standing(), text: try reader.shortText())
    case MessageType.topUp:
      return .topUp(body: try reader.document("top-up"), publisherSignature: try reader.signature())
    case MessageType.topUpAccepted:
      return .topUpAccepted(
        number: try reader.channelNumber(),
        providerSignature: try reader.signature(),
        nextKey: try reader.publicKey("next key"))
    case MessageType.topUpWanted:
      return .topUpWanted(topRungSatPerKvB: try reader.u32("topRungSatPerKvB"))
    default: return try tasks(type, &reader)
    }
  }

  private static func tasks(
    _ type: UInt8, _ reader: inout DocumentReader
  ) throws(MarketError) -> SessionMessage {
    switch type {
    case MessageType.task: return .task(try TaskOrder.decode(&reader))
    case MessageType.taskState:
      return .taskState(
        number: try reader.u32("task", 1...UInt32.max),
        state: try TaskState.decode(&reader))
    case MessageType.taskEnded: return .taskEnded(try TaskLine.decode(&reader))
    case MessageType.linesStored: return .linesStored(count: try reader.u32("count"))
    case MessageType.taskStop:
      return .taskStop(number: try reader.u32("task", 1...UInt32.max), text: try reader.shortText())
    case MessageType.execute: return .execute(try ExecRequest.decode(&reader))
    case MessageType.execStarted:
      return .execStarted(id: try reader.u32("exec session", 1...UInt32.max))
    case MessageType.execEnded: return .execEnded(try reader.execEnd())
    case MessageType.execSignal:
      return .execSignal(
        id: try reader.u32("exec session", 1...UInt32.max),
        number: try reader.u8("signal", ExecRequest.signals))
    case MessageType.execResize:
      return .execResize(
        id: try reader.u32("exec session", 1...UInt32.max),
        TerminalSize(
          rows: try reader.u16("rows"), columns: try reader.u16("columns")))
    default: return try unknown(type, reader)
    }
  }

  private static func unknown(
    _ type: UInt8, _ reader: DocumentReader
  ) throws(MarketError) -> SessionMessage {
    if type & 1 == 0 { throw reader.refuse("message type", at: 0, "unknown, and not optional") }
    return .unknown(type: type)
  }
}

extension DocumentReader {
  fileprivate mutating func document(_ field: StaticReason) throws(MarketError) -> [UInt8] {
    try bytes(field, 1...Limits.maxDocumentBytes)
  }

  fileprivate mutating func standing() throws(MarketError) -> Standing {
    Standing(rawValue: try u8("standing", 0...Standing.awaitingTopUp.rawValue)) ?? .frozen
  }

  fileprivate mutating func payment() throws(MarketError) -> ChannelPayment {
    try read("payment") { (part) throws(BytesError) in try ChannelPayment.decode(&part) }
  }

  fileprivate mutating func usageReport() throws(MarketError) -> UsageReport {
    UsageReport(
      sequence: try u64("sequence", 1...UInt64.max), usage: try LeaseUsage.decode(&self),
      owedSat: try u64("owed"))
  }

  fileprivate mutating func signedClose() throws(MarketError) -> SignedClose {
    SignedClose(channel: try channelNumber(), signatures: try closeSignatures())
  }

  fileprivate mutating func signedCloses() throws(MarketError) -> [SignedClose] {
    var closes: [SignedClose] = []
    for _ in 0..<(try count("closes", 0...Limits.maxChannels)) { closes.append(try signedClose()) }
    return closes
  }

  fileprivate mutating func execEnd() throws(MarketError) -> ExecEnd {
    ExecEnd(
      id: try u32("exec session", 1...UInt32.max), kind: try ExitKind.decode(&self),
      status: Int32(bitPattern: try u32("exit status")))
  }
}
