// Numbers of things that have none of their own: hashes of names, the same in every session and on every branch.

/// OIDs as hashes of names.
public enum StableOID {
    /// PostgreSQL's own objects are below.
    public static let first: Int64 = 16_384

    /// The number of a kind of thing by its name; `salt` gives another one when it is taken.
    public static func hash(_ kind: String, _ name: String, salt: Int = 0) -> Int64 {
        var state: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(kind):\(name)\(salt == 0 ? "" : ":\(salt)")".utf8 {
            state = (state ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        // The low bits of FNV mix worst.
        state ^= state >> 32
        state = state &* 0x9e37_79b9_7f4a_7c15
        return first + Int64((state >> 33) % UInt64(Int64(Int32.max) - first))
    }

    /// The number of a type of the user.
    public static func type(_ schema: String, _ name: String) -> Int64 { hash("type", "\(schema).\(name)") }
    /// The number of its array type.
    public static func arrayType(_ schema: String, _ name: String) -> Int64 { hash("type", "\(schema)._\(name)") }
}
