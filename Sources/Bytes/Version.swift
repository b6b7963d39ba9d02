/// The version of all of Zennet's programs.
public enum Version {
  public static let text = "0.1.0"
}
