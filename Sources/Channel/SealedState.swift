import Bytes
import Crypto

/// The stored form of both sides' states: a version, fields in fixed order, and a digest of all
/// before it, which detects damage.
enum SealedState {
  /// The only version so far. A new version gets its own decoder; this one's decoder stays.
  static let version: UInt8 = 2

  static func seal(_ body: [UInt8], _ tag: String) -> [UInt8] {
    body + Sha256.tagged(tag, body).array
  }

  /// A reader over the bytes after the version. Throws `damagedState` or `unknownVersion`.
  static func open(_ state: [UInt8], _ tag: String) throws(ChannelError) -> ByteReader {
    if state.count < 33 { throw ChannelError.damagedState }
    let body = Array(state[0..<(state.count - 32)])
    if Sha256.tagged(tag, body) != Bytes32(state, at: state.count - 32) {
      throw ChannelError.damagedState
    }
    if body[0] != version { throw ChannelError.unknownVersion(body[0]) }
    return ByteReader(body, range: 1..<body.count)
  }
}
