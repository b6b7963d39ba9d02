import Testing

@testable import Host

@Test func aMemoryFileGivesBackWhatWasAppended() throws {
  let file = try MemoryFile()
  try file.append([1, 2, 3])
  try file.append([UInt8](repeating: 7, count: 100_000))
  try file.append([])
  #expect(file.sizeBytes == 100_003)
  #expect(try file.read(at: 0, count: 4) == [1, 2, 3, 7])
  #expect(try file.read(at: 99_999, count: 50) == [7, 7, 7, 7])
  #expect(try file.read(at: 100_003, count: 1).isEmpty)
  #expect(try file.read(at: UInt64.max, count: 1).isEmpty)
}
