import CSQLite
import Foundation

/// SQLite's own way to files, with a record of every write and every sync in their order: from it
/// follows what any power cut may leave.
///
/// An entry is: what happened (``Kind``), to the database (0) or its log (1), offset or number, length,
/// bytes. Numbers are little-endian.
enum RecordedFiles {
  enum Kind: UInt8 { case write, truncate, sync, told }

  private static let ownBytes = 16
  nonisolated(unsafe) private static var real: UnsafeMutablePointer<sqlite3_vfs>!
  nonisolated(unsafe) private static let methods = makeMethods()
  nonisolated(unsafe) private static var log: FileHandle?

  /// From now on every database of this process is recorded in the file at `path`.
  static func begin(_ path: String) {
    guard FileManager.default.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path), let found = sqlite3_vfs_find(nil)
    else { fatalError("no record at " + path) }
    log = file
    real = found
    let recording = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
    recording.initialize(to: found.pointee)
    recording.pointee.pNext = nil
    recording.pointee.zName = UnsafePointer(strdup("recording"))
    recording.pointee.szOsFile += Int32(ownBytes)
    recording.pointee.xOpen = { _, name, file, flags, outFlags in
      guard let file else { return SQLITE_CANTOPEN }
      let inner = RecordedFiles.inner(file)
      let code = RecordedFiles.real.pointee.xOpen(
        RecordedFiles.real, name, inner, flags, outFlags)
      var place = UInt8.max
      if flags & SQLITE_OPEN_MAIN_DB != 0 { place = 0 }
      if flags & SQLITE_OPEN_WAL != 0 { place = 1 }
      UnsafeMutableRawPointer(file).storeBytes(of: place, toByteOffset: 8, as: UInt8.self)
      file.pointee.pMethods =
        inner.pointee.pMethods == nil ? nil : UnsafePointer(RecordedFiles.methods)
      return code
    }
    guard sqlite3_vfs_register(recording, 1) == SQLITE_OK else { fatalError("no recording") }
  }

  static func note(
    _ kind: Kind, _ place: UInt8 = 0, at offset: Int64 = 0, _ bytes: UnsafeRawBufferPointer? = nil
  ) {
    guard let log, place != UInt8.max else { return }
    var entry = Data([kind.rawValue, place])
    withUnsafeBytes(of: offset.littleEndian) { entry.append(contentsOf: $0) }
    withUnsafeBytes(of: UInt32(bytes?.count ?? 0).littleEndian) { entry.append(contentsOf: $0) }
    if let bytes { entry.append(contentsOf: bytes) }
    log.write(entry)
  }

  // MARK: One file

  private typealias File = UnsafeMutablePointer<sqlite3_file>

  /// SQLite's own file behind ours, which is a pointer to the methods and a number.
  private static func inner(_ file: File) -> File {
    UnsafeMutableRawPointer(file).advanced(by: ownBytes).assumingMemoryBound(to: sqlite3_file.self)
  }

  private static func place(_ file: File) -> UInt8 {
    UnsafeRawPointer(file).load(fromByteOffset: 8, as: UInt8.self)
  }

  private static func own(_ file: File?) -> (File, sqlite3_io_methods) {
    let inner = inner(file!)
    return (inner, inner.pointee.pMethods.pointee)
  }

  private static func makeMethods() -> UnsafeMutablePointer<sqlite3_io_methods> {
    var made = sqlite3_io_methods()
    // Version 3 would map the file into memory.
    made.iVersion = 2
    made.xClose = {
      let (file, own) = RecordedFiles.own($0); return own.xClose(file)
    }
    made.xRead = {
      let (file, own) = RecordedFiles.own($0); return own.xRead(file, $1, $2, $3)
    }
    made.xWrite = { outer, bytes, count, offset in
      let (file, own) = RecordedFiles.own(outer)
      RecordedFiles.note(
        .write, RecordedFiles.place(outer!), at: offset,
        UnsafeRawBufferPointer(start: bytes, count: Int(count)))
      return own.xWrite(file, bytes, count, offset)
    }
    made.xTruncate = { outer, size in
      let (file, own) = RecordedFiles.own(outer)
      RecordedFiles.note(.truncate, RecordedFiles.place(outer!), at: size)
      return own.xTruncate(file, size)
    }
    made.xSync = { outer, flags in
      let (file, own) = RecordedFiles.own(outer)
      let code = own.xSync(file, flags)
      RecordedFiles.note(.sync, RecordedFiles.place(outer!))
      return code
    }
    made.xFileSize = {
      let (file, own) = RecordedFiles.own($0); return own.xFileSize(file, $1)
    }
    made.xLock = {
      let (file, own) = RecordedFiles.own($0); return own.xLock(file, $1)
    }
    made.xUnlock = {
      let (file, own) = RecordedFiles.own($0); return own.xUnlock(file, $1)
    }
    made.xCheckReservedLock = {
      let (file, own) = RecordedFiles.own($0)
      return own.xCheckReservedLock(file, $1)
    }
    made.xFileControl = {
      let (file, own) = RecordedFiles.own($0)
      return own.xFileControl(file, $1, $2)
    }
    made.xSectorSize = {
      let (file, own) = RecordedFiles.own($0); return own.xSectorSize(file)
    }
    made.xDeviceCharacteristics = {
      let (file, own) = RecordedFiles.own($0)
      return own.xDeviceCharacteristics(file)
    }
    made.xShmMap = {
      let (file, own) = RecordedFiles.own($0)
      return own.xShmMap(file, $1, $2, $3, $4)
    }
    made.xShmLock = {
      let (file, own) = RecordedFiles.own($0)
      return own.xShmLock(file, $1, $2, $3)
    }
    made.xShmBarrier = {
      let (file, own) = RecordedFiles.own($0); own.xShmBarrier(file)
    }
    made.xShmUnmap = {
      let (file, own) = RecordedFiles.own($0); return own.xShmUnmap(file, $1)
    }
    let pointer = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    pointer.initialize(to: made)
    return pointer
  }
}
