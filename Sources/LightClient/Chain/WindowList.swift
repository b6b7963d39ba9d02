/// A list that grows at its end and is dropped from its beginning, in pieces of 1,024. Elements are
/// never moved, spare room is at most one piece at either end, and dropped pieces are freed at
/// once.
struct WindowList<Element> {
  private static var pieceCount: Int { 1024 }

  private var pieces: [ContiguousArray<Element>] = []
  /// Elements of the first piece that are dropped.
  private var dropped = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  subscript(index: Int) -> Element {
    precondition(index >= 0 && index < count)
    let place = index + dropped
    return pieces[place / WindowList.pieceCount][place % WindowList.pieceCount]
  }

  mutating func append(_ element: Element) {
    let place = count + dropped
    if place / WindowList.pieceCount == pieces.count {
      var piece = ContiguousArray<Element>()
      piece.reserveCapacity(WindowList.pieceCount)
      pieces.append(piece)
    }
    pieces[place / WindowList.pieceCount].append(element)
    count += 1
  }

  mutating func removeFirst(_ number: Int) {
    precondition(number >= 0 && number <= count)
    count -= number
    dropped += number
    if count == 0 {
      pieces = []
      dropped = 0
      return
    }
    pieces.removeFirst(dropped / WindowList.pieceCount)
    dropped %= WindowList.pieceCount
  }

  mutating func removeLast(_ number: Int) {
    precondition(number >= 0 && number <= count)
    count -= number
    if count == 0 {
      pieces = []
      dropped = 0
      return
    }
    let last = (count + dropped - 1) / WindowList.pieceCount
    pieces.removeLast(pieces.count - 1 - last)
    pieces[last].removeLast(pieces[last].count - 1 - (count + dropped - 1) % WindowList.pieceCount)
  }
}
