#pragma once
#include <snappy-c.h>
#include <zstd.h>
#include <lz4.h>
#include <lz4frame.h>
#include <zlib.h>
#include <brotli/decode.h>
#include <brotli/encode.h>
