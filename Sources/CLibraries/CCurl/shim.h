#pragma once
#include <curl/curl.h>

// Swift cannot call C variadic functions: one typed wrapper for each kind of option value.
static inline CURLcode apus_curl_set_long(CURL *handle, CURLoption option, long value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode apus_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode apus_curl_set_string(CURL *handle, CURLoption option, const char *value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode apus_curl_set_pointer(CURL *handle, CURLoption option, void *value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode apus_curl_set_list(CURL *handle, CURLoption option, struct curl_slist *value) { return curl_easy_setopt(handle, option, value); }
typedef size_t (*apus_curl_data)(char *bytes, size_t size, size_t count, void *context);
static inline CURLcode apus_curl_set_data(CURL *handle, CURLoption option, apus_curl_data value) { return curl_easy_setopt(handle, option, value); }
static inline CURLcode apus_curl_get_long(CURL *handle, CURLINFO info, long *value) { return curl_easy_getinfo(handle, info, value); }
static inline CURLcode apus_curl_get_pointer(CURL *handle, CURLINFO info, void **value) { return curl_easy_getinfo(handle, info, value); }
static inline CURLMcode apus_curl_multi_set_long(CURLM *handle, CURLMoption option, long value) { return curl_multi_setopt(handle, option, value); }
typedef int (*apus_curl_seek)(void *context, curl_off_t offset, int origin);
static inline CURLcode apus_curl_set_seek(CURL *handle, CURLoption option, apus_curl_seek value) { return curl_easy_setopt(handle, option, value); }
