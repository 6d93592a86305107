// Casts between json and jsonb, and from jsonb to numbers and boolean.
import Columns
import Diagnostics

enum JSONCasts {
    /// The conversion; nil when neither type is a JSON type.
    static func kernel(_ from: SQLType, _ to: SQLType) -> Kernel? {
        switch (from, to) {
        case (.json, .jsonb): return CastText.parse(.text, .jsonb)
        case (.jsonb, .json): return { (_, a, _) throws(SQLError) in a[0].retyped(.json) }
        case (.jsonb, _): return scalar(to)
        default: return nil
        }
    }

    private static func scalar(_ to: SQLType) -> Kernel? {
        let isBoolean = to == .boolean
        guard isBoolean || to.isNumber else { return nil }
        // Numbers go through numeric, so that they are rounded as PostgreSQL rounds them.
        guard let read = CastText.parse(.text, isBoolean ? .boolean : .numeric) else { return nil }
        guard let convert = isBoolean ? read : Casts.kernel(.numeric, to, isExplicit: true) else { return nil }
        return { (context, a, rows) throws(SQLError) in
            let lane = Lane(a[0], StringView.self)
            try Loops.eachRow(Flatten.validity(a[0]), rows) { (row) throws(SQLError) in
                let kind = lane[row].withBytes { raw in
                    let scan = JSONScan(raw)
                    return scan.kind(scan.skipBlanks(0))
                }
                guard kind == (isBoolean ? .boolean : .number) else {
                    let what = kind == .number ? "numeric" : kind.name
                    throw SQLError(.invalidParameterValue, "cannot cast jsonb \(what) to type \(to.baseName)")
                }
            }
            let made = try read(context, [a[0].retyped(.text)], rows)
            return isBoolean ? made : try convert(context, [made], rows)
        }
    }
}
