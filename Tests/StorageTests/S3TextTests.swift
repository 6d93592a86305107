import Testing

@testable import Storage

struct S3TextTests {
    @Test func contentRanges() {
        let range = ContentRange("bytes 10-19/100")
        #expect(range?.lower == 10 && range?.upper == 20 && range?.total == 100)
        #expect(ContentRange("bytes 0-0/*")?.total == .none)
        for text in [
            "", "bytes", "bytes */100", "bytes 5-4/10", "bytes 0-10/10", "bytes -5/10", "items 0-1/2",
            "bytes 0-9223372036854775807/*", "bytes 0-1/2/3", "bytes a-b/c",
        ] {
            #expect(ContentRange(text) == nil, "\(text)")
        }
    }

    @Test func times() {
        #expect(S3Time.ofListing("2009-10-12T17:50:30.123Z") == 1_255_369_830_123_000)
        #expect(S3Time.ofListing("1970-01-01T00:00:00Z") == 0)
        #expect(S3Time.ofListing("2024-02-29T23:59:59.999999Z") == 1_709_251_199_999_999)
        #expect(S3Time.ofHeader("Mon, 12 Oct 2009 17:50:30 GMT") == 1_255_369_830_000_000)
        for text in ["", "2009", "2009-13-12T17:50:30Z", "2009-10-12 17:50:30", "xxxx-10-12T17:50:30Z"] {
            #expect(S3Time.ofListing(text) == nil, "\(text)")
        }
        #expect(S3Time.ofHeader("yesterday") == nil)
    }

    @Test func urls() {
        #expect(URLText.encode("a b/ü=+%~") == "a%20b%2F%C3%BC%3D%2B%25~")
        #expect(URLText.encode("a/b", keepingSlashes: true) == "a/b")
        #expect(URLText.decode("a%20b+c%2B%C3%BC") == "a b c+ü")
        #expect(URLText.decode("%") == nil)
        #expect(URLText.decode("%zz") == nil)
        #expect(URLText.decode("%ff") == nil)
    }

    @Test func listings() throws {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <!-- x > y --><s3:ListBucketResult xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/" odd="a>b/">
              <s3:Name>bucket</s3:Name><s3:Prefix/><s3:IsTruncated>true</s3:IsTruncated>
              <s3:EncodingType>url</s3:EncodingType>
              <s3:NextContinuationToken>a&lt;b&#x2F;&#47;==</s3:NextContinuationToken>
              <s3:Contents><s3:Key>a%3D1/x+y</s3:Key><s3:LastModified>2009-10-12T17:50:30.000Z</s3:LastModified>
                <s3:ETag>&quot;abc&quot;</s3:ETag><s3:Size>12</s3:Size>
                <s3:Owner><s3:ID>Key</s3:ID></s3:Owner></s3:Contents>
              <s3:Contents><s3:Key><![CDATA[b]]></s3:Key><s3:Size>0</s3:Size></s3:Contents>
              <s3:CommonPrefixes><s3:Prefix>p/</s3:Prefix></s3:CommonPrefixes>
            </s3:ListBucketResult>
            """
        let page = try #require(S3ListPage(Array(text.utf8)))
        #expect(page.entries.map(\.key) == ["a=1/x y", "b"])
        #expect(page.entries.first?.etag == "abc" && page.entries.first?.sizeBytes == 12)
        #expect(page.prefixes == ["p/"] && page.isTruncated && page.nextToken == "a<b//==")
        // Any cut makes it no listing, and none makes it crash.
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count { #expect(S3ListPage(Array(bytes[..<count])) == nil) }
        for bad in [
            "", "<a>", "<a></b>", "</a>", "<a/><b/>", "<>", "<a>&bad;</a>", "<a>&#x110000;</a>", "text",
            "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
            String(repeating: "<a>", count: 100), "<a b='", "<![CDATA[", "<!--", "<?", "<Error/>",
        ] {
            #expect(S3ListPage(Array(bad.utf8)) == nil, "\(bad)")
        }
    }

    @Test func errors() {
        let document = S3ErrorDocument(Array("<Error><Code>NoSuchKey</Code><Message>a &amp; b</Message></Error>".utf8))
        #expect(document.code == "NoSuchKey" && document.message == "a & b")
        #expect(S3ErrorDocument(Array("<html><p>no</html>".utf8)).code == nil)
    }

    @Test func configurations() {
        let environment = [
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "very secret", "AWS_SESSION_TOKEN": "token",
            "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://localhost:9000/",
            "APUS_S3_RETRIES_MAX": "3", "HOME": "/nonexistent",
        ]
        let configuration = S3Configuration(environment: environment)
        #expect(configuration.endpoint == "http://localhost:9000" && configuration.pathStyle)
        #expect(configuration.region == "eu-west-1" && configuration.retriesMax == 3 && !configuration.anonymous)
        #expect(!"\(configuration) \(String(reflecting: configuration))".contains("secret"))
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("secret") && !dumped.contains("token"))
        let none = S3Configuration(environment: ["HOME": "/nonexistent"])
        #expect(none.anonymous && none.url(bucket: "b") == "https://b.s3.us-east-1.amazonaws.com")
        #expect(none.url(bucket: "a.b") == "https://s3.us-east-1.amazonaws.com/a.b")
        #expect(configuration.url(bucket: "b") == "http://localhost:9000/b")
        let own = S3Configuration(
            environment: environment.merging(
                ["APUS_S3_ACCESS_KEY_ID": "other", "APUS_S3_SECRET_ACCESS_KEY": "s"]) { $1 })
        #expect(own.accessKey == "other" && own.secretKey == "s" && own.sessionToken == nil)
        let file = "[default]\naws_access_key_id = A\n# x\n[work]\naws_access_key_id=B\nregion = r\n"
        #expect(S3Configuration.section(["work"], of: file) == ["aws_access_key_id": "B", "region": "r"])
    }
}
