// Casts of bit strings: lengths, integers.
import Columns
import Diagnostics

enum BitCasts {
    /// The conversion; nil when neither side is a string of bits, or the other is text.
    static func kernel(_ from: SQLType, _ to: SQLType, isExplicit: Bool) -> Kernel? {
        switch (from, to) {
        case (_, .bit(let length)) where from.isBits || from == .unknown && isExplicit:
            return fit(to, from, length, isVarying: false, isExplicit: isExplicit)
        case (_, .varbit(let length)) where from.isBits:
            guard let length else { return { (_, a, _) throws(SQLError) in a[0].retyped(to) } }
            return fit(to, from, length, isVarying: true, isExplicit: isExplicit)
        case (.text, .bit(let length)) where isExplicit, (.varchar, .bit(let length)) where isExplicit:
            return fit(to, from, length, isVarying: false, isExplicit: isExplicit)
        case (_, .bit(let length)) where from.isInteger: return bits(from, to, length)
        case (_, .int4) where from.isBits: return number(.int4, 32)
        case (_, .int8) where from.isBits: return number(.int8, 64)
        default: return nil
        }
    }

    private static func fit(
        _ to: SQLType, _ from: SQLType, _ length: Int, isVarying: Bool, isExplicit: Bool
    ) -> Kernel {
        let isParsed = !from.isBits
        return TextKernels.unary(to) { (raw, out) throws(SQLError) in
            let given = isParsed ? try BitText.parse(raw) : String(decoding: raw, as: UTF8.self)
            let made =
                isExplicit
                ? BitText.cast(given, length: length, isVarying: isVarying)
                : try BitText.fitted(given, length: length, isVarying: isVarying)
            out.append(contentsOf: made.utf8)
        }
    }

    /// The lowest bits; longer strings get the sign in front.
    private static func bits(_ from: SQLType, _ to: SQLType, _ length: Int) -> Kernel {
        { (_, a, rows) throws(SQLError) in
            try TextKernels.rows(a, rows, to) { (row, out) throws(SQLError) in
                guard case .int(let value) = a[0].scalar(row).value else { return false }
                for place in stride(from: length - 1, through: 0, by: -1) {
                    out.append(value >> Int64(min(place, 63)) & 1 == 1 ? 49 : 48)
                }
                return true
            }
        }
    }

    private static func number(_ to: SQLType, _ most: Int) -> Kernel {
        @Sendable func parsed(_ view: StringView) throws(SQLError) -> Int64 {
            guard view.count <= most else { throw Arithmetic.outOfRange(to) }
            let value = view.withBytes { raw in raw.reduce(UInt64(0)) { $0 << 1 | UInt64($1 & 1) } }
            return most == 32 ? Int64(Int32(truncatingIfNeeded: value)) : Int64(bitPattern: value)
        }
        if most == 32 {
            return Rowwise.unary(to) { (x: StringView) throws(SQLError) -> Int32 in
                Int32(truncatingIfNeeded: try parsed(x))
            }
        }
        return Rowwise.unary(to) { (x: StringView) throws(SQLError) -> Int64 in try parsed(x) }
    }
}
