import Bitcoin
import Bytes

/// The type bytes of ``SessionMessage``.
enum MessageType {
  static let hello: UInt8 = 2
  static let welcome: UInt8 = 4
  static let offer: UInt8 = 6
  static let bid: UInt8 = 8
  static let contract: UInt8 = 10
  static let accept: UInt8 = 12
  static let refuse: UInt8 = 14
  static let state: UInt8 = 16
  static let funding: UInt8 = 18
  static let fundingState: UInt8 = 20
  static let task: UInt8 = 22
  static let taskState: UInt8 = 24
  static let taskEnded: UInt8 = 26
  static let linesStored: UInt8 = 28
  static let taskStop: UInt8 = 30
  static let usage: UInt8 = 32
  static let payment: UInt8 = 34
  static let paymentStored: UInt8 = 36
  static let statement: UInt8 = 38
  static let statementSigned: UInt8 = 40
  static let end: UInt8 = 42
  static let leaving: UInt8 = 44
  static let receipt: UInt8 = 46
  static let receiptSigned: UInt8 = 48
  static let closeWanted: UInt8 = 50
  static let closeSigned: UInt8 = 52
  static let standing: UInt8 = 54
  static let topUp: UInt8 = 56
  static let topUpAccepted: UInt8 = 58
  static let topUpWanted: UInt8 = 59
  static let execute: UInt8 = 60
  static let execStarted: UInt8 = 62
  static let execEnded: UInt8 = 64
  static let execSignal: UInt8 = 66
  static let execResize: UInt8 = 68
}
