// Row policies and column masks.
import Access
import Diagnostics
import Syntax

extension Session {
    func changePolicy(_ statement: PolicyStatement) async throws(SQLError) {
        throw SQLError(.featureNotSupported, "row policies are not supported yet")
    }

    func changeRowSecurity(_ place: NewPlace, _ action: Statement.AlterTable.Action) async throws(SQLError) {
        throw SQLError(.featureNotSupported, "row security is not supported yet")
    }
}
