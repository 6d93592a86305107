// Rows of pg_proc: oid, name, kind, set, volatility, strict, result, arguments;
// Written by Tests/SystemCatalogTests/record.py from PostgreSQL 15.

extension CatalogData {
    static let functionRows = """
        31 byteaout f f i t 2275 17; 33 charout f f i t 2275 18; 34 namein f f i t 19 2275; 35 nameout f f i t 2275 19;
        38 int2in f f i t 21 2275; 39 int2out f f i t 2275 21; 40 int2vectorin f f i t 22 2275; 41 int2vectorout f f i t
        2275 22; 42 int4in f f i t 23 2275; 43 int4out f f i t 2275 23; 44 regprocin f f s t 24 2275; 45 regprocout f f
        s t 2275 24; 46 textin f f i t 25 2275; 47 textout f f i t 2275 25; 50 xidin f f i t 28 2275; 51 xidout f f i t
        2275 28; 52 cidin f f i t 29 2275; 53 cidout f f i t 2275 29; 54 oidvectorin f f i t 30 2275; 55 oidvectorout f
        f i t 2275 30; 77 int4 f f i t 23 18; 89 version f f s t 25 _; 109 unknownin f f i t 705 2275; 110 unknownout f
        f i t 2275 705; 195 pg_node_tree_in f f i t 194 2275; 196 pg_node_tree_out f f i t 2275 194; 197
        pg_node_tree_recv f f s t 194 2281; 198 pg_node_tree_send f f s t 17 194; 200 float4in f f i t 700 2275; 201
        float4out f f i t 2275 700; 214 float8in f f i t 701 2275; 215 float8out f f i t 2275 701; 235 float8 f f i t
        701 21; 236 float4 f f i t 700 21; 237 int2 f f i t 21 701; 238 int2 f f i t 21 700; 311 float8 f f i t 701 700;
        312 float4 f f i t 700 701; 313 int4 f f i t 23 21; 314 int2 f f i t 21 23; 316 float8 f f i t 701 23; 317 int4
        f f i t 23 701; 318 float4 f f i t 700 23; 319 int4 f f i t 23 700; 320 width_bucket f f i t 23 701 701 701 23;
        321 json_in f f i t 114 2275; 322 json_out f f i t 2275 114; 323 json_recv f f i t 114 2281; 324 json_send f f i
        t 17 114; 376 string_to_array f f i f 1009 25 25 25; 384 array_to_string f f s f 25 2277 25 25; 394
        string_to_array f f i f 1009 25 25; 395 array_to_string f f s t 25 2277 25; 401 text f f i t 25 1042; 406 text f
        f i t 25 19; 438 num_nulls f f i f 23 2276; 440 num_nonnulls f f i f 23 2276; 460 int8in f f i t 20 2275; 461
        int8out f f i t 2275 20; 480 int4 f f i t 23 20; 481 int8 f f i t 20 23; 482 float8 f f i t 701 20; 483 int8 f f
        i t 20 701; 652 float4 f f i t 700 20; 653 int8 f f i t 20 700; 669 varchar f f i t 1043 1043 23 16; 714 int2 f
        f i t 21 20; 720 octet_length f f i t 23 17; 721 get_byte f f i t 23 17 23; 722 set_byte f f i t 17 17 23 23;
        723 get_bit f f i t 23 17 20; 724 set_bit f f i t 17 17 20 23; 745 current_user f f s t 19 _; 746 session_user f
        f s t 19 _; 748 array_ndims f f i t 23 2277; 749 overlay f f i t 17 17 17 23 23; 750 array_in f f s t 2277 2275
        26 23; 751 array_out f f s t 2275 2277; 752 overlay f f i t 17 17 17 23; 754 int8 f f i t 20 21; 849 position f
        f i t 23 25 25; 861 current_database f f s t 19 _; 868 strpos f f i t 23 25 25; 870 lower f f i t 25 25; 871
        upper f f i t 25 25; 872 initcap f f i t 25 25; 873 lpad f f i t 25 25 23 25; 874 rpad f f i t 25 25 23 25; 875
        ltrim f f i t 25 25 25; 876 rtrim f f i t 25 25 25; 877 substr f f i t 25 25 23 23; 878 translate f f i t 25 25
        25 25; 879 lpad f f i t 25 25 23; 880 rpad f f i t 25 25 23; 881 ltrim f f i t 25 25; 882 rtrim f f i t 25 25;
        883 substr f f i t 25 25 23; 884 btrim f f i t 25 25 25; 885 btrim f f i t 25 25; 936 substring f f i t 25 25 23
        23; 937 substring f f i t 25 25 23; 940 mod f f i t 21 21 21; 941 mod f f i t 23 23 23; 946 text f f i t 25 18;
        947 mod f f i t 20 20 20; 1026 timezone f f i t 1114 1186 1184; 1031 aclitemin f f s t 1033 2275; 1032
        aclitemout f f s t 2275 1033; 1044 bpcharin f f i t 1042 2275 26 23; 1045 bpcharout f f i t 2275 1042; 1046
        varcharin f f i t 1043 2275 26 23; 1047 varcharout f f i t 2275 1043; 1081 format_type f f s f 25 26 23; 1084
        date_in f f s t 1082 2275; 1085 date_out f f s t 2275 1082; 1143 time_in f f s t 1083 2275 26 23; 1144 time_out
        f f i t 2275 1083; 1150 timestamptz_in f f s t 1184 2275 26 23; 1151 timestamptz_out f f s t 2275 1184; 1158
        to_timestamp f f i t 1184 701; 1159 timezone f f i t 1114 25 1184; 1160 interval_in f f s t 1186 2275 26 23;
        1161 interval_out f f s t 2275 1186; 1171 date_part f f s t 701 25 1184; 1172 date_part f f i t 701 25 1186;
        1174 timestamptz f f s t 1184 1082; 1175 justify_hours f f i t 1186 1186; 1176 timestamptz f f s t 1184 1082
        1083; 1178 date f f s t 1082 1184; 1181 age f f s t 23 28; 1194 log10 f f i t 701 701; 1199 age f f i t 1186
        1184 1184; 1200 interval f f i t 1186 1186 23; 1215 obj_description f f s t 25 26 19; 1216 col_description f f s
        t 25 26 23; 1217 date_trunc f f s t 1184 25 1184; 1218 date_trunc f f i t 1186 25 1186; 1242 boolin f f i t 16
        2275; 1243 boolout f f i t 2275 16; 1244 byteain f f i t 17 2275; 1245 charin f f i t 18 2275; 1268 parse_ident
        f f i t 1009 25 16; 1282 quote_ident f f i t 25 25; 1283 quote_literal f f i t 25 25; 1284 date_trunc f f s t
        1184 25 1184 25; 1285 quote_literal f f s t 25 2283; 1288 int8 f f i t 20 26; 1289 quote_nullable f f i f 25 25;
        1290 quote_nullable f f s f 25 2283; 1295 justify_days f f i t 1186 1186; 1299 now f f s t 1184 _; 1312
        timestamp_in f f s t 1114 2275 26 23; 1313 timestamp_out f f s t 2275 1114; 1316 time f f i t 1083 1114; 1317
        length f f i t 23 25; 1318 length f f i t 23 1042; 1340 log f f i t 701 701; 1341 ln f f i t 701 701; 1342 round
        f f i t 701 701; 1343 trunc f f i t 701 701; 1344 sqrt f f i t 701 701; 1345 cbrt f f i t 701 701; 1346 pow f f
        i t 701 701 701; 1347 exp f f i t 701 701; 1348 obj_description f f s t 25 26; 1367 character_length f f i t 23
        1042; 1368 power f f i t 701 701 701; 1369 character_length f f i t 23 25; 1370 interval f f i t 1186 1083; 1372
        char_length f f i t 23 1042; 1373 isfinite f f i t 16 1082; 1374 octet_length f f i t 23 25; 1375 octet_length f
        f i t 23 1042; 1376 factorial f f i t 1700 20; 1381 char_length f f i t 23 25; 1384 date_part f f i t 701 25
        1082; 1385 date_part f f i t 701 25 1083; 1386 age f f s t 1186 1184; 1387 pg_get_constraintdef f f s t 25 26;
        1389 isfinite f f i t 16 1184; 1390 isfinite f f i t 16 1186; 1394 abs f f i t 700 700; 1395 abs f f i t 701
        701; 1396 abs f f i t 20 20; 1397 abs f f i t 23 23; 1398 abs f f i t 21 21; 1401 varchar f f i t 1043 19; 1402
        current_schema f f s t 19 _; 1403 current_schemas f f s t 1003 16; 1404 overlay f f i t 25 25 25 23 23; 1405
        overlay f f i t 25 25 25 23; 1419 time f f i t 1083 1186; 1481 log10 f f i t 1700 1700; 1569 like f f i t 16 25
        25; 1570 notlike f f i t 16 25 25; 1571 like f f i t 16 19 25; 1572 notlike f f i t 16 19 25; 1573
        pg_get_ruledef f f s t 25 26; 1597 pg_encoding_to_char f f s t 19 23; 1598 random f f v t 701 _; 1600 asin f f i
        t 701 701; 1601 acos f f i t 701 701; 1602 atan f f i t 701 701; 1603 atan2 f f i t 701 701 701; 1604 sin f f i
        t 701 701; 1605 cos f f i t 701 701; 1606 tan f f i t 701 701; 1607 cot f f i t 701 701; 1608 degrees f f i t
        701 701; 1609 radians f f i t 701 701; 1610 pi f f i t 701 _; 1619 pg_typeof f f s f 2206 2276; 1620 ascii f f i
        t 23 25; 1621 chr f f i t 25 23; 1622 repeat f f i t 25 25 23; 1637 like_escape f f i t 25 25 25; 1640
        pg_get_viewdef f f s t 25 25; 1641 pg_get_viewdef f f s t 25 26; 1642 pg_get_userbyid f f s t 19 26; 1643
        pg_get_indexdef f f s t 25 26; 1662 pg_get_triggerdef f f s t 25 26; 1665 pg_get_serial_sequence f f s t 25 25
        25; 1701 numeric_in f f i t 1700 2275 26 23; 1702 numeric_out f f i t 2275 1700; 1703 numeric f f i t 1700 1700
        23; 1705 abs f f i t 1700 1700; 1706 sign f f i t 1700 1700; 1707 round f f i t 1700 1700 23; 1708 round f f i t
        1700 1700; 1709 trunc f f i t 1700 1700 23; 1710 trunc f f i t 1700 1700; 1711 ceil f f i t 1700 1700; 1712
        floor f f i t 1700 1700; 1713 length f f s t 23 17 19; 1714 convert_from f f s t 25 17 19; 1716 pg_get_expr f f
        s t 25 194 26; 1717 convert_to f f s t 17 25 19; 1728 mod f f i t 1700 1700 1700; 1730 sqrt f f i t 1700 1700;
        1732 exp f f i t 1700 1700; 1734 ln f f i t 1700 1700; 1736 log f f i t 1700 1700 1700; 1738 pow f f i t 1700
        1700 1700; 1740 numeric f f i t 1700 23; 1741 log f f i t 1700 1700; 1742 numeric f f i t 1700 700; 1743 numeric
        f f i t 1700 701; 1744 int4 f f i t 23 1700; 1745 float4 f f i t 700 1700; 1746 float8 f f i t 701 1700; 1768
        to_char f f s t 25 1186 25; 1770 to_char f f s t 25 1184 25; 1772 to_char f f s t 25 1700 25; 1773 to_char f f s
        t 25 23 25; 1774 to_char f f s t 25 20 25; 1775 to_char f f s t 25 700 25; 1776 to_char f f s t 25 701 25; 1777
        to_number f f s t 1700 25 25; 1778 to_timestamp f f s t 1184 25 25; 1779 int8 f f i t 20 1700; 1780 to_date f f
        s t 1082 25 25; 1781 numeric f f i t 1700 20; 1782 numeric f f i t 1700 21; 1783 int2 f f i t 21 1700; 1798
        oidin f f i t 26 2275; 1799 oidout f f i t 2275 26; 1810 bit_length f f i t 23 17; 1811 bit_length f f i t 23
        25; 1928 pg_stat_get_numscans f f s t 20 26; 1946 encode f f i t 25 17 25; 1947 decode f f i t 17 25 25; 1961
        timestamp f f i t 1114 1114 23; 1967 timestamptz f f i t 1184 1184 23; 1968 time f f i t 1083 1083 23; 1973 div
        f f i t 1700 1700 1700; 1986 similar_to_escape f f i t 25 25 25; 1987 similar_to_escape f f i t 25 25; 1993
        shobj_description f f s t 25 26 19; 2007 like f f i t 16 17 17; 2008 notlike f f i t 16 17 17; 2009 like_escape
        f f i t 17 17 17; 2010 length f f i t 23 17; 2012 substring f f i t 17 17 23 23; 2013 substring f f i t 17 17
        23; 2014 position f f i t 23 17 17; 2015 btrim f f i t 17 17 17; 2019 time f f s t 1083 1184; 2020 date_trunc f
        f i t 1114 25 1114; 2021 date_part f f i t 701 25 1114; 2024 timestamp f f i t 1114 1082; 2025 timestamp f f i t
        1114 1082 1083; 2026 pg_backend_pid f f s t 23 _; 2027 timestamp f f s t 1114 1184; 2028 timestamptz f f s t
        1184 1114; 2029 date f f i t 1082 1114; 2034 pg_conf_load_time f f s t 1184 _; 2048 isfinite f f i t 16 1114;
        2049 to_char f f s t 25 1114 25; 2050 max a f i f 2277 2277; 2051 min a f i f 2277 2277; 2058 age f f i t 1186
        1114 1114; 2059 age f f s t 1186 1114; 2069 timezone f f i t 1184 25 1114; 2070 timezone f f i t 1184 1186 1114;
        2073 substring f f i t 25 25 25; 2074 substring f f i t 25 25 25 25; 2077 current_setting f f s t 25 25; 2078
        set_config f f v f 25 25 25 16; 2079 pg_table_is_visible f f s t 16 26; 2080 pg_type_is_visible f f s t 16 26;
        2081 pg_function_is_visible f f s t 16 26; 2082 pg_operator_is_visible f f s t 16 26; 2083 pg_opclass_is_visible
        f f s t 16 26; 2085 substr f f i t 17 17 23 23; 2086 substr f f i t 17 17 23; 2087 replace f f i t 25 25 25 25;
        2088 split_part f f i t 25 25 25 23; 2089 to_hex f f i t 25 23; 2090 to_hex f f i t 25 20; 2091 array_lower f f
        i t 23 2277 23; 2092 array_upper f f i t 23 2277 23; 2093 pg_conversion_is_visible f f s t 16 26; 2098
        pg_get_functiondef f f s t 25 26; 2100 avg a f i f 1700 20; 2101 avg a f i f 1700 23; 2102 avg a f i f 1700 21;
        2103 avg a f i f 1700 1700; 2104 avg a f i f 701 700; 2105 avg a f i f 701 701; 2106 avg a f i f 1186 1186; 2107
        sum a f i f 1700 20; 2108 sum a f i f 20 23; 2109 sum a f i f 20 21; 2110 sum a f i f 700 700; 2111 sum a f i f
        701 701; 2113 sum a f i f 1186 1186; 2114 sum a f i f 1700 1700; 2115 max a f i f 20 20; 2116 max a f i f 23 23;
        2117 max a f i f 21 21; 2118 max a f i f 26 26; 2119 max a f i f 700 700; 2120 max a f i f 701 701; 2122 max a f
        i f 1082 1082; 2123 max a f i f 1083 1083; 2126 max a f i f 1114 1114; 2127 max a f i f 1184 1184; 2128 max a f
        i f 1186 1186; 2129 max a f i f 25 25; 2130 max a f i f 1700 1700; 2131 min a f i f 20 20; 2132 min a f i f 23
        23; 2133 min a f i f 21 21; 2134 min a f i f 26 26; 2135 min a f i f 700 700; 2136 min a f i f 701 701; 2138 min
        a f i f 1082 1082; 2139 min a f i f 1083 1083; 2142 min a f i f 1114 1114; 2143 min a f i f 1184 1184; 2144 min
        a f i f 1186 1186; 2145 min a f i f 25 25; 2146 min a f i f 1700 1700; 2147 count a f i f 20 2276; 2162
        pg_get_function_arguments f f s t 25 26; 2165 pg_get_function_result f f s t 25 26; 2167 ceiling f f i t 1700
        1700; 2168 pg_database_size f f v t 20 19; 2169 power f f i t 1700 1700 1700; 2170 width_bucket f f i t 23 1700
        1700 1700 23; 2176 array_length f f i t 23 2277 23; 2197 inet_client_port f f s f 23 _; 2199 inet_server_port f
        f s f 23 _; 2212 regprocedurein f f s t 2202 2275; 2213 regprocedureout f f s t 2275 2202; 2214 regoperin f f s
        t 2203 2275; 2215 regoperout f f s t 2275 2203; 2216 regoperatorin f f s t 2204 2275; 2217 regoperatorout f f s
        t 2275 2204; 2218 regclassin f f s t 2205 2275; 2219 regclassout f f s t 2275 2205; 2220 regtypein f f s t 2206
        2275; 2221 regtypeout f f s t 2275 2206; 2232 pg_get_function_identity_arguments f f s t 25 26; 2236 bit_and a f
        i f 21 21; 2237 bit_or a f i f 21 21; 2238 bit_and a f i f 23 23; 2239 bit_or a f i f 23 23; 2240 bit_and a f i
        f 20 20; 2241 bit_or a f i f 20 20; 2244 max a f i f 1042 1042; 2245 min a f i f 1042 1042; 2284 regexp_replace
        f f i t 25 25 25 25; 2285 regexp_replace f f i t 25 25 25 25 25; 2286 pg_total_relation_size f f v t 20 2205;
        2288 pg_size_pretty f f i t 25 20; 2290 record_in f f s t 2249 2275 26 23; 2291 record_out f f s t 2275 2249;
        2292 cstring_in f f i t 2275 2275; 2293 cstring_out f f i t 2275 2275; 2294 any_in f f i t 2276 2275; 2295
        any_out f f i t 2275 2276; 2296 anyarray_in f f i t 2277 2275; 2297 anyarray_out f f s t 2275 2277; 2298 void_in
        f f i t 2278 2275; 2299 void_out f f i t 2275 2278; 2300 trigger_in f f i f 2279 2275; 2301 trigger_out f f i t
        2275 2279; 2302 language_handler_in f f i f 2280 2275; 2303 language_handler_out f f i t 2275 2280; 2304
        internal_in f f i f 2281 2275; 2305 internal_out f f i t 2275 2281; 2308 ceil f f i t 701 701; 2309 floor f f i
        t 701 701; 2310 sign f f i t 701 701; 2311 md5 f f i t 25 25; 2312 anyelement_in f f i t 2283 2275; 2313
        anyelement_out f f i t 2275 2283; 2320 ceiling f f i t 701 701; 2321 md5 f f i t 25 17; 2322 pg_tablespace_size
        f f v t 20 26; 2323 pg_tablespace_size f f v t 20 19; 2324 pg_database_size f f v t 20 26; 2325 pg_relation_size
        f f v t 20 2205; 2332 pg_relation_size f f v t 20 2205 25; 2400 array_recv f f s t 2277 2281 26 23; 2401
        array_send f f s t 17 2277; 2402 record_recv f f s t 2249 2281 26 23; 2403 record_send f f s t 17 2249; 2404
        int2recv f f i t 21 2281; 2405 int2send f f i t 17 21; 2406 int4recv f f i t 23 2281; 2407 int4send f f i t 17
        23; 2408 int8recv f f i t 20 2281; 2409 int8send f f i t 17 20; 2410 int2vectorrecv f f i t 22 2281; 2411
        int2vectorsend f f i t 17 22; 2412 bytearecv f f i t 17 2281; 2413 byteasend f f i t 17 17; 2414 textrecv f f s
        t 25 2281; 2415 textsend f f s t 17 25; 2416 unknownrecv f f i t 705 2281; 2417 unknownsend f f i t 17 705; 2418
        oidrecv f f i t 26 2281; 2419 oidsend f f i t 17 26; 2420 oidvectorrecv f f i t 30 2281; 2421 oidvectorsend f f
        i t 17 30; 2422 namerecv f f s t 19 2281; 2423 namesend f f s t 17 19; 2424 float4recv f f i t 700 2281; 2425
        float4send f f i t 17 700; 2426 float8recv f f i t 701 2281; 2427 float8send f f i t 17 701; 2430 bpcharrecv f f
        s t 1042 2281 26 23; 2431 bpcharsend f f s t 17 1042; 2432 varcharrecv f f s t 1043 2281 26 23; 2433 varcharsend
        f f s t 17 1043; 2434 charrecv f f i t 18 2281; 2435 charsend f f i t 17 18; 2436 boolrecv f f i t 16 2281; 2437
        boolsend f f i t 17 16; 2440 xidrecv f f i t 28 2281; 2441 xidsend f f i t 17 28; 2442 cidrecv f f i t 29 2281;
        2443 cidsend f f i t 17 29; 2444 regprocrecv f f i t 24 2281; 2445 regprocsend f f i t 17 24; 2446
        regprocedurerecv f f i t 2202 2281; 2447 regproceduresend f f i t 17 2202; 2448 regoperrecv f f i t 2203 2281;
        2449 regopersend f f i t 17 2203; 2450 regoperatorrecv f f i t 2204 2281; 2451 regoperatorsend f f i t 17 2204;
        2452 regclassrecv f f i t 2205 2281; 2453 regclasssend f f i t 17 2205; 2454 regtyperecv f f i t 2206 2281; 2455
        regtypesend f f i t 17 2206; 2460 numeric_recv f f i t 1700 2281 26 23; 2461 numeric_send f f i t 17 1700; 2462
        sinh f f i t 701 701; 2463 cosh f f i t 701 701; 2464 tanh f f i t 701 701; 2465 asinh f f i t 701 701; 2466
        acosh f f i t 701 701; 2467 atanh f f i t 701 701; 2468 date_recv f f i t 1082 2281; 2469 date_send f f i t 17
        1082; 2470 time_recv f f i t 1083 2281 26 23; 2471 time_send f f i t 17 1083; 2474 timestamp_recv f f i t 1114
        2281 26 23; 2475 timestamp_send f f i t 17 1114; 2476 timestamptz_recv f f i t 1184 2281 26 23; 2477
        timestamptz_send f f i t 17 1184; 2478 interval_recv f f i t 1186 2281 26 23; 2479 interval_send f f i t 17
        1186; 2500 cstring_recv f f s t 2275 2281; 2501 cstring_send f f s t 17 2275; 2502 anyarray_recv f f s t 2277
        2281; 2503 anyarray_send f f s t 17 2277; 2504 pg_get_ruledef f f s t 25 26 16; 2505 pg_get_viewdef f f s t 25
        25 16; 2506 pg_get_viewdef f f s t 25 26 16; 2507 pg_get_indexdef f f s t 25 26 23 16; 2508 pg_get_constraintdef
        f f s t 25 26 16; 2509 pg_get_expr f f s t 25 194 26 16; 2515 booland_statefunc f f i t 16 16 16; 2516
        boolor_statefunc f f i t 16 16 16; 2517 bool_and a f i f 16 16; 2518 bool_or a f i f 16 16; 2519 every a f i f
        16 16; 2557 bool f f i t 16 23; 2558 int4 f f i t 23 16; 2560 pg_postmaster_start_time f f s t 1184 _; 2561
        pg_blocking_pids f f v t 1007 23; 2580 float8 f f i t 701 3802; 2641 var_samp a f i f 1700 20; 2642 var_samp a f
        i f 1700 23; 2643 var_samp a f i f 1700 21; 2644 var_samp a f i f 701 700; 2645 var_samp a f i f 701 701; 2646
        var_samp a f i f 1700 1700; 2647 transaction_timestamp f f s t 1184 _; 2648 statement_timestamp f f s t 1184 _;
        2649 clock_timestamp f f v t 1184 _; 2705 pg_has_role f f s t 16 19 19 25; 2706 pg_has_role f f s t 16 19 26 25;
        2707 pg_has_role f f s t 16 26 19 25; 2708 pg_has_role f f s t 16 26 26 25; 2709 pg_has_role f f s t 16 19 25;
        2710 pg_has_role f f s t 16 26 25; 2711 justify_interval f f i t 1186 1186; 2712 stddev_samp a f i f 1700 20;
        2713 stddev_samp a f i f 1700 23; 2714 stddev_samp a f i f 1700 21; 2715 stddev_samp a f i f 701 700; 2716
        stddev_samp a f i f 701 701; 2717 stddev_samp a f i f 1700 1700; 2718 var_pop a f i f 1700 20; 2719 var_pop a f
        i f 1700 23; 2720 var_pop a f i f 1700 21; 2721 var_pop a f i f 701 700; 2722 var_pop a f i f 701 701; 2723
        var_pop a f i f 1700 1700; 2724 stddev_pop a f i f 1700 20; 2725 stddev_pop a f i f 1700 23; 2726 stddev_pop a f
        i f 1700 21; 2727 stddev_pop a f i f 701 700; 2728 stddev_pop a f i f 701 701; 2729 stddev_pop a f i f 1700
        1700; 2730 pg_get_triggerdef f f s t 25 26 16; 2731 asind f f i t 701 701; 2732 acosd f f i t 701 701; 2733
        atand f f i t 701 701; 2734 atan2d f f i t 701 701 701; 2735 sind f f i t 701 701; 2736 cosd f f i t 701 701;
        2737 tand f f i t 701 701; 2738 cotd f f i t 701 701; 2763 regexp_matches f t i t 1009 25 25; 2764
        regexp_matches f t i t 1009 25 25 25; 2767 regexp_split_to_array f f i t 1009 25 25; 2768 regexp_split_to_array
        f f i t 1009 25 25 25; 2803 count a f i f 20 _; 2818 regr_count a f i f 20 701 701; 2819 regr_sxx a f i f 701
        701 701; 2820 regr_syy a f i f 701 701 701; 2821 regr_sxy a f i f 701 701 701; 2822 regr_avgx a f i f 701 701
        701; 2823 regr_avgy a f i f 701 701 701; 2824 regr_r2 a f i f 701 701 701; 2825 regr_slope a f i f 701 701 701;
        2826 regr_intercept a f i f 701 701 701; 2827 covar_pop a f i f 701 701 701; 2828 covar_samp a f i f 701 701
        701; 2854 pg_my_temp_schema f f s t 26 _; 2855 pg_is_other_temp_schema f f s t 16 26; 2878
        pg_stat_get_live_tuples f f s t 20 26; 2892 pg_advisory_unlock_all f f v t 2278 _; 2903 intervaltypmodin f f i t
        23 1263; 2904 intervaltypmodout f f i t 2275 23; 2905 timestamptypmodin f f i t 23 1263; 2906 timestamptypmodout
        f f i t 2275 23; 2907 timestamptztypmodin f f i t 23 1263; 2908 timestamptztypmodout f f i t 2275 23; 2909
        timetypmodin f f i t 23 1263; 2910 timetypmodout f f i t 2275 23; 2913 bpchartypmodin f f i t 23 1263; 2914
        bpchartypmodout f f i t 2275 23; 2915 varchartypmodin f f i t 23 1263; 2916 varchartypmodout f f i t 2275 23;
        2917 numerictypmodin f f i t 23 1263; 2918 numerictypmodout f f i t 2275 23; 2952 uuid_in f f i t 2950 2275;
        2953 uuid_out f f i t 2275 2950; 2961 uuid_recv f f i t 2950 2281; 2962 uuid_send f f i t 17 2950; 2971 text f f
        i t 25 16; 2997 pg_table_size f f v t 20 2205; 2998 pg_indexes_size f f v t 20 2205; 3012 has_column_privilege f
        f s t 16 19 25 25 25; 3013 has_column_privilege f f s t 16 19 25 21 25; 3014 has_column_privilege f f s t 16 19
        26 25 25; 3015 has_column_privilege f f s t 16 19 26 21 25; 3016 has_column_privilege f f s t 16 26 25 25 25;
        3017 has_column_privilege f f s t 16 26 25 21 25; 3018 has_column_privilege f f s t 16 26 26 25 25; 3019
        has_column_privilege f f s t 16 26 26 21 25; 3020 has_column_privilege f f s t 16 25 25 25; 3021
        has_column_privilege f f s t 16 25 21 25; 3022 has_column_privilege f f s t 16 26 25 25; 3023
        has_column_privilege f f s t 16 26 21 25; 3024 has_any_column_privilege f f s t 16 19 25 25; 3025
        has_any_column_privilege f f s t 16 19 26 25; 3026 has_any_column_privilege f f s t 16 26 25 25; 3027
        has_any_column_privilege f f s t 16 26 26 25; 3028 has_any_column_privilege f f s t 16 25 25; 3029
        has_any_column_privilege f f s t 16 26 25; 3058 concat f f s f 25 2276; 3059 concat_ws f f s f 25 25 2276; 3060
        left f f i t 25 25 23; 3061 right f f i t 25 25 23; 3062 reverse f f i t 25 25; 3100 row_number w f i f 20 _;
        3102 dense_rank w f i f 20 _; 3103 percent_rank w f i f 701 _; 3104 cume_dist w f i f 701 _; 3112 first_value w
        f i t 2283 2283; 3113 last_value w f i t 2283 2283; 3114 nth_value w f i t 2283 2283 23; 3120 void_recv f f i t
        2278 2281; 3121 void_send f f i t 17 2278; 3153 array_to_json f f s t 114 2277; 3154 array_to_json f f s t 114
        2277 16; 3159 pg_get_viewdef f f s t 25 26 23; 3166 pg_size_pretty f f i t 25 1700; 3179 cardinality f f i t 23
        2277; 3261 json_strip_nulls f f i t 114 114; 3262 jsonb_strip_nulls f f i t 3802 3802; 3281 scale f f i t 23
        1700; 3294 current_setting f f s t 25 25 16; 3298 row_security_active f f s t 16 26; 3299 row_security_active f
        f s t 16 25; 3301 jsonb_concat f f i t 3802 3802 3802; 3302 jsonb_delete f f i t 3802 3802 25; 3303 jsonb_delete
        f f i t 3802 3802 23; 3304 jsonb_delete_path f f i t 3802 3802 1009; 3305 jsonb_set f f i t 3802 3802 1009 3802
        16; 3306 jsonb_pretty f f i t 25 3802; 3343 jsonb_delete f f i t 3802 3802 1009; 3348 txid_current_if_assigned f
        f s t 20 _; 3352 pg_get_partkeydef f f s t 25 26; 3378 pg_isolation_test_session_is_blocked f f v t 16 23 1007;
        3396 regexp_match f f i t 1009 25 25; 3397 regexp_match f f i t 1009 25 25 25; 3403 pg_statistics_obj_is_visible
        f f s t 16 26; 3420 sha256 f f i t 17 17; 3425 pg_partition_ancestors f t v t 2205 2205; 3432 gen_random_uuid f
        f v t 2950 _; 3449 numeric f f i t 1700 3802; 3450 int2 f f i t 21 3802; 3451 int4 f f i t 23 3802; 3452 int8 f
        f i t 20 3802; 3453 float4 f f i t 700 3802; 3461 make_timestamp f f i t 1114 23 23 23 23 23 701; 3462
        make_timestamptz f f s t 1184 23 23 23 23 23 701; 3463 make_timestamptz f f s t 1184 23 23 23 23 23 701 25; 3464
        make_interval f f i t 1186 23 23 23 23 23 23 701; 3479 to_regprocedure f f s t 2202 25; 3493 to_regtype f f s t
        2206 25; 3494 to_regproc f f s t 24 25; 3495 to_regclass f f s t 2205 25; 3537 pg_describe_object f f s t 25 26
        26 23; 3538 string_agg a f i f 25 25 25; 3539 format f f s f 25 25 2276; 3540 format f f s f 25 25; 3545
        string_agg a f i f 17 17 17; 3556 bool f f i t 16 3802; 3579 jsonb_insert f f i t 3802 3802 1009 3802 16; 3696
        starts_with f f i t 16 25 25; 3756 pg_ts_parser_is_visible f f s t 16 26; 3757 pg_ts_dict_is_visible f f s t 16
        26; 3758 pg_ts_config_is_visible f f s t 16 26; 3768 pg_ts_template_is_visible f f s t 16 26; 3778
        pg_tablespace_location f f s t 25 26; 3803 jsonb_send f f i t 17 3802; 3804 jsonb_out f f i t 2275 3802; 3805
        jsonb_recv f f i t 3802 2281; 3806 jsonb_in f f i t 3802 2275; 3809 pg_export_snapshot f f v t 25 _; 3810
        pg_is_in_recovery f f v t 16 _; 3815 pg_collation_is_visible f f s t 16 26; 3829 pg_opfamily_is_visible f f s t
        16 26; 3842 pg_relation_is_updatable f f s t 23 2205 16; 3843 pg_column_is_updatable f f s t 16 2205 21 16; 3846
        make_date f f i t 1082 23 23 23; 3847 make_time f f i t 1083 23 23 701; 3943 acldefault f f i t 1034 18 26; 3972
        percentile_disc a f i f 2283 701 2283; 3974 percentile_cont a f i f 701 701 701; 3976 percentile_cont a f i f
        1186 701 1186; 3978 percentile_disc a f i f 2277 1022 2283; 3980 percentile_cont a f i f 1022 1022 701; 3982
        percentile_cont a f i f 1187 1022 1186; 3984 mode a f i f 2283 2283; 3988 percent_rank a f i f 701 2276; 3990
        cume_dist a f i f 701 2276; 3992 dense_rank a f i f 20 2276; 4046 jsonb_contains f f i t 16 3802 3802; 4047
        jsonb_exists f f i t 16 3802 25; 4048 jsonb_exists_any f f i t 16 3802 1009; 4049 jsonb_exists_all f f i t 16
        3802 1009; 4050 jsonb_contained f f i t 16 3802 3802; 4053 array_agg a f i f 2277 2277; 4084 regnamespacein f f
        s t 4089 2275; 4085 regnamespaceout f f s t 2275 4089; 4086 to_regnamespace f f s t 4089 25; 4087
        regnamespacerecv f f i t 4089 2281; 4088 regnamespacesend f f i t 17 4089; 4092 regroleout f f s t 2275 4096;
        4093 to_regrole f f s t 4096 25; 4094 regrolerecv f f i t 4096 2281; 4095 regrolesend f f i t 17 4096; 4098
        regrolein f f s t 4096 2275; 4193 regcollationin f f s t 4191 2275; 4194 regcollationout f f s t 2275 4191; 4196
        regcollationrecv f f i t 4191 2281; 4197 regcollationsend f f i t 17 4191; 5042 min_scale f f i t 23 1700; 5043
        trim_scale f f i t 1700 1700; 5044 gcd f f i t 23 23 23; 5045 gcd f f i t 20 20 20; 5046 lcm f f i t 23 23 23;
        5047 lcm f f i t 20 20 20; 5048 gcd f f i t 1700 1700 1700; 5049 lcm f f i t 1700 1700 1700; 5054 jsonb_set_lax
        f f i f 3802 3802 1009 3802 16 25; 6098 jsonb_subscript_handler f f i t 2281 2281; 6120
        pg_get_replica_identity_index f f s t 2205 2205; 6121 pg_relation_is_publishable f f s t 16 2205; 6163 bit_count
        f f i t 20 17; 6164 bit_xor a f i f 21 21; 6165 bit_xor a f i f 23 23; 6166 bit_xor a f i f 20 20; 6174
        pg_get_statisticsobjdef_columns f f s t 25 26; 6177 date_bin f f i t 1114 1186 1114 1114; 6178 date_bin f f i t
        1184 1186 1184 1184; 6179 array_subscript_handler f f i t 2281 2281; 6180 raw_array_subscript_handler f f i t
        2281 2281; 6195 ltrim f f i t 17 17 17; 6196 rtrim f f i t 17 17 17; 6197 pg_get_function_sqlbody f f s t 25 26;
        6199 extract f f i t 1700 25 1082; 6200 extract f f i t 1700 25 1083; 6202 extract f f i t 1700 25 1114; 6203
        extract f f s t 1700 25 1184; 6204 extract f f i t 1700 25 1186; 6251 regexp_replace f f i t 25 25 25 25 23 23
        25; 6252 regexp_replace f f i t 25 25 25 25 23 23; 6253 regexp_replace f f i t 25 25 25 25 23; 6254 regexp_count
        f f i t 23 25 25; 6255 regexp_count f f i t 23 25 25 23; 6256 regexp_count f f i t 23 25 25 23 25; 6257
        regexp_instr f f i t 23 25 25; 6258 regexp_instr f f i t 23 25 25 23; 6259 regexp_instr f f i t 23 25 25 23 23;
        6260 regexp_instr f f i t 23 25 25 23 23 23; 6261 regexp_instr f f i t 23 25 25 23 23 23 25; 6262 regexp_instr f
        f i t 23 25 25 23 23 23 25 23; 6263 regexp_like f f i t 16 25 25; 6264 regexp_like f f i t 16 25 25 25; 6265
        regexp_substr f f i t 25 25 25; 6266 regexp_substr f f i t 25 25 25 23; 6267 regexp_substr f f i t 25 25 25 23
        23; 6268 regexp_substr f f i t 25 25 25 23 23 25; 6269 regexp_substr f f i t 25 25 25 23 23 25 23
        """
}
