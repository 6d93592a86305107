// The function that ends a write whose rows a policy does not allow.
import Columns
import Diagnostics

/// `row_security_check(holds, message)`: TRUE, or error 42501 for the first row where `holds` is not TRUE.
public enum RowCheck {
    public static let name = "row_security_check"

    // Volatile, so that it stays where it is: only rows that are written are checked.
    static let all: [Overload] = [
        Overload(name, [.boolean, .text], .boolean, volatility: .volatile, isStrict: false) {
            (_, a, rows) throws(SQLError) in
            for row in 0..<rows where !a[0].isValid(row) || a[0].scalar(row).value != .bool(true) {
                guard case .string(let message) = a[1].scalar(row).value else { continue }
                throw SQLError(.insufficientPrivilege, message)
            }
            return Column.constant(.boolean(true), count: rows)
        }
    ]
}
