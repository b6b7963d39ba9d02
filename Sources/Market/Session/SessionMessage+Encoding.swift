import Bitcoin
import Bytes
import Channel

extension SessionMessage {
  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 128)
    encodeNegotiation(to: &writer)
    return writer.bytes
  }

  private func encodeNegotiation(to writer: inout ByteWriter) {
    switch self {
    case .hello(let features, let subject):
      writer.u8(MessageType.hello)
      features.encode(to: &writer)
      subject.encode(to: &writer)
    case .welcome(let features):
      writer.u8(MessageType.welcome)
      features.encode(to: &writer)
    case .offer(let value):
      writer.u8(MessageType.offer)
      writer.lengthPrefixed(value)
    case .bid(let report, let bid, let signature):
      writer.u8(MessageType.bid)
      writer.lengthPrefixed(report)
      writer.lengthPrefixed(bid)
      writer.append(signature)
    case .contract(let body, let publisherSignature):
      writer.u8(MessageType.contract)
      writer.lengthPrefixed(body)
      writer.append(publisherSignature)
    case .accept(let providerSignature, let nextKey):
      writer.u8(MessageType.accept)
      writer.append(providerSignature)
      writer.append(nextKey)
    case .refuse(let code, let text):
      writer.u8(MessageType.refuse)
      writer.u8(code.rawValue)
      writer.lengthPrefixed(text)
    default: encodeMoney(to: &writer)
    }
  }

  /// The lease and its channels.
  private func encodeMoney(to writer: inout ByteWriter) {
    switch self {
    case .state(let value):
      writer.u8(MessageType.state)
      value.encode(to: &writer)
    case .funding(let channel, let transaction, let output):
      writer.u8(MessageType.funding)
      writer.u8(channel)
      writer.lengthPrefixed(transaction)
      writer.u32le(output)
    case .fundingState(let channel, let sight):
      writer.u8(MessageType.fundingState)
      writer.u8(channel)
      sight.encode(to: &writer)
    case .usage(let value):
      writer.u8(MessageType.usage)
      writer.u64le(value.sequence)
      value.usage.encode(to: &writer)
      writer.u64le(value.owedSat)
    case .payment(let channel, let payment):
      writer.u8(MessageType.payment)
      writer.u8(channel)
      payment.encode(to: &writer)
    case .paymentStored(let channel, let sequence):
      writer.u8(MessageType.paymentStored)
      writer.u8(channel)
      writer.u64le(sequence)
    case .statement(let body, let providerSignature):
      writer.u8(MessageType.statement)
      writer.lengthPrefixed(body)
      writer.append(providerSignature)
    case .statementSigned(let digest, let publisherSignature):
      writer.u8(MessageType.statementSigned)
      writer.append(digest)
      writer.append(publisherSignature)
    case .end(let text):
      writer.u8(MessageType.end)
      writer.lengthPrefixed(text)
    default: encodeEnd(to: &writer)
    }
  }

  /// The end of a lease, and more channels.
  private func encodeEnd(to writer: inout ByteWriter) {
    switch self {
    case .leaving(let noticeMs, let text):
      writer.u8(MessageType.leaving)
      writer.u32le(noticeMs)
      writer.lengthPrefixed(text)
    case .receipt(let body, let providerSignature, let closes):
      writer.u8(MessageType.receipt)
      writer.lengthPrefixed(body)
      writer.append(providerSignature)
      writer.compactSize(closes.count)
      for close in closes {
        writer.u8(close.channel)
        close.signatures.encode(to: &writer)
      }
    case .receiptSigned(let publisherSignature):
      writer.u8(MessageType.receiptSigned)
      writer.append(publisherSignature)
    case .closeWanted(let channel, let fromRung):
      writer.u8(MessageType.closeWanted)
      writer.u8(channel)
      writer.u8(fromRung)
    case .closeSigned(let value):
      writer.u8(MessageType.closeSigned)
      writer.u8(value.channel)
      value.signatures.encode(to: &writer)
    case .standing(let value, let text):
      writer.u8(MessageType.standing)
      writer.u8(value.rawValue)
      writer.lengthPrefixed(text)
    case .topUp(let body, let publisherSignature):
      writer.u8(MessageType.topUp)
      writer.lengthPrefixed(body)
      writer.append(publisherSignature)
    case .topUpAccepted(let number, let providerSignature, let nextKey):
      writer.u8(MessageType.topUpAccepted)
      writer.u8(number)
      writer.append(providerSignature)
      writer.append(nextKey)
    case .topUpWanted(let topRungSatPerKvB):
      writer.u8(MessageType.topUpWanted)
      writer.u32le(topRungSatPerKvB)
    default: encodeTasks(to: &writer)
    }
  }

  /// Tasks and exec sessions.
  private func encodeTasks(to writer: inout ByteWriter) {
    switch self {
    case .task(let value):
      writer.u8(MessageType.task)
      value.encode(to: &writer)
    case .taskState(let number, let state):
      writer.u8(MessageType.taskState)
      writer.u32le(number)
      state.encode(to: &writer)
    case .taskEnded(let value):
      writer.u8(MessageType.taskEnded)
      value.encode(to: &writer)
    case .linesStored(let count):
      writer.u8(MessageType.linesStored)
      writer.u32le(count)
    case .taskStop(let number, let text):
      writer.u8(MessageType.taskStop)
      writer.u32le(number)
      writer.lengthPrefixed(text)
    case .execute(let value):
      writer.u8(MessageType.execute)
      value.encode(to: &writer)
    case .execStarted(let id):
      writer.u8(MessageType.execStarted)
      writer.u32le(id)
    case .execEnded(let value):
      writer.u8(MessageType.execEnded)
      writer.u32le(value.id)
      writer.u8(value.kind.rawValue)
      writer.u32le(UInt32(bitPattern: value.status))
    case .execSignal(let id, let number):
      writer.u8(MessageType.execSignal)
      writer.u32le(id)
      writer.u8(number)
    case .execResize(let id, let value):
      writer.u8(MessageType.execResize)
      writer.u32le(id)
      writer.u16le(value.rows)
      writer.u16le(value.columns)
    default: break
    }
  }
}
