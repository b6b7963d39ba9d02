enum MessageVectors {
  static let all: [StaticString] = []
}
