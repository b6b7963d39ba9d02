import Market

/// The processors to which an offer is limited: those that its program supports.
public enum ProcessorChoice {
  /// - Parameters:
  ///   - wanted: the publisher's choice; nil for none, or all.
  ///   - ofImage: the processors for which a bundle's image was made; nil: unknown. May be wrong.
  ///   - programs: those of the bundles, one for each worker.
  ///   - arguments: the program and its arguments.
  /// - Throws: `usage` if no provider could run the program, or some of the chosen processors
  ///   cannot.
  public static func processors(
    wanted: ProcessorSet?, ofImage: ProcessorSet?, programs: [ProgramFinder],
    arguments: [String], environment: [String], workdir: String
  ) throws(BundlesError) -> ProcessorSet {
    let name = arguments.first ?? ""
    var known: ProcessorSet?
    for program in programs {
      guard
        let one = program.processors(of: name, environment: environment, workdir: workdir)
      else { continue }
      if one.isEmpty { throw .usage(name + ": a program for an unsupported processor") }
      let both = known.map { $0.intersection(one) } ?? one
      if both.isEmpty { throw .usage(name + ": the bundles support no common processor") }
      known = both
    }
    if let known, let wanted, !wanted.isSubset(of: known) {
      throw .usage(
        "--processors: \(name) is a program for \(known.text), not for "
          + wanted.subtracting(known).text)
    }
    if let wanted { return wanted }
    guard let known else { return ofImage ?? .all }
    guard let ofImage, !ofImage.isDisjoint(with: known) else { return known }
    return ofImage.intersection(known)
  }
}
