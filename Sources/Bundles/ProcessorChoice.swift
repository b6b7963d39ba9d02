import Market

/// Which machines a job is announced to, by their processors: those that its program is for.
public enum ProcessorChoice {
  /// - Parameters:
  ///   - wanted: what the publisher named; nil: nothing, or all.
  ///   - ofImage: what a bundle's image was made for; nil: unknown. An image may be mistaken.
  ///   - programs: those of the bundles, each of which is for one worker.
  ///   - arguments: the program, and what it is given.
  /// - Throws: `usage` where no machine could run the program, or some that were named could not.
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
      if one.isEmpty { throw .usage(name + ": a program for a processor that no machine here has") }
      let both = known.map { $0.intersection(one) } ?? one
      if both.isEmpty { throw .usage(name + ": not for the same processors in each bundle") }
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
