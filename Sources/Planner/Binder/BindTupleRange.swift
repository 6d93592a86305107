// `ctid BETWEEN '(0,0)'::tid AND '(99,0)'::tid`: how DuckDB reads a table in parts.
import Columns
import Syntax

extension QueryBinder {
    /// Rows have no physical place here: all count as on page 0, so that the part with this page has them all. nil for
    /// anything but a range of literal places; a ctid alone does not exist.
    func tupleRange(_ operand: Expression, _ low: Expression, _ high: Expression, _ scope: Scope) -> Expr? {
        guard case .column(let name) = operand.node, name.last == "ctid", case .nothing = scope.find("ctid"),
            let first = page(low), page(high) != nil
        else { return nil }
        return .literal(.boolean(first == 0))
    }

    /// The page of `'(page,offset)'::tid`.
    private func page(_ expr: Expression) -> UInt32? {
        let text: String
        switch expr.node {
        case .cast(let value, let type, _):
            guard type.name == "tid", case .string(let literal) = value.node else { return nil }
            text = literal
        case .typedLiteral(let type, let literal):
            guard type.name == "tid" else { return nil }
            text = literal
        default: return nil
        }
        guard text.hasPrefix("("), text.hasSuffix(")") else { return nil }
        let parts = text.dropFirst().dropLast().split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 2, UInt16(parts[1]) != nil else { return nil }
        return UInt32(parts[0])
    }
}
