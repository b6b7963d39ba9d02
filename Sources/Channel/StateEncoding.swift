import Bitcoin
import Bytes
import Crypto

// Pieces that the stored states of both sides share.

/// `body` followed by its digest, so that a damaged state is known as such.
func sealed(_ body: [UInt8], _ tag: String) -> [UInt8] {
  body + Sha256.tagged(tag, body).array
}

/// A reader over the body of what ``sealed(_:_:)`` made. Throws `damagedState`.
func unsealed(_ state: [UInt8], _ tag: String) throws(ChannelError) -> ByteReader {
  if state.count < 32 { throw ChannelError.damagedState }
  let body = Array(state[0..<(state.count - 32)])
  if Sha256.tagged(tag, body) != Bytes32(state, at: state.count - 32) {
    throw ChannelError.damagedState
  }
  return ByteReader(body)
}

func decodeFlag(_ reader: inout ByteReader) throws(BytesError) -> Bool {
  try shortLength(&reader, limit: 1) == 1
}

func encode(_ outPoint: OutPoint?, to writer: inout ByteWriter) {
  writer.u8(outPoint == nil ? 0 : 1)
  if let outPoint { outPoint.encode(to: &writer) }
}

func decodeOutPoint(_ reader: inout ByteReader) throws(BytesError) -> OutPoint? {
  try decodeFlag(&reader) ? try OutPoint.decode(&reader) : nil
}

func encode(_ height: UInt32?, to writer: inout ByteWriter) {
  writer.u8(height == nil ? 0 : 1)
  if let height { writer.u32le(height) }
}

func decodeHeight(_ reader: inout ByteReader) throws(BytesError) -> UInt32? {
  try decodeFlag(&reader) ? try reader.u32le() : nil
}

func encode(_ spend: ChannelSpend?, _ height: UInt32?, to writer: inout ByteWriter) {
  guard let spend, let height else {
    writer.u8(0)
    return
  }
  writer.u8(spend.kind.rawValue)
  writer.append(spend.txid)
  writer.u64le(spend.payoutSat)
  writer.u64le(spend.changeSat)
  writer.u32le(height)
}

func decodeSpend(_ reader: inout ByteReader) throws(BytesError) -> (ChannelSpend?, UInt32?) {
  let start = reader.offset
  let raw = try reader.u8()
  if raw == 0 { return (nil, nil) }
  guard let kind = ChannelSpend.Kind(rawValue: raw) else { throw BytesError.invalid(offset: start) }
  let spend = ChannelSpend(
    kind: kind, txid: try reader.bytes32(), payoutSat: try reader.u64le(),
    changeSat: try reader.u64le())
  return (spend, try reader.u32le())
}
