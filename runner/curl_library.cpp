#include "runner/curl_library.h"

#include <dlfcn.h>

namespace pawl::runner {
namespace {

constexpr const char* library_name = "libcurl.so.4";

template <typename Function>
void find(void* library, const char* name, Function* into, std::string* fault) {
  *into = reinterpret_cast<Function>(dlsym(library, name));
  if (*into == nullptr && fault->empty()) {
    *fault =
        std::string(library_name) + " is too old, it has no " + name + "; 7.85 is the oldest that will do";
  }
}

CurlLibrary load() {
  CurlLibrary curl;
  void* library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    curl.fault =
        std::string("libcurl cannot be loaded, which posts over HTTP (Debian: apt-get install libcurl4): ") +
        dlerror();
    return curl;
  }
  std::string* fault = &curl.fault;
  find(library, "curl_global_init", &curl.global_init, fault);
  find(library, "curl_easy_init", &curl.easy_init, fault);
  find(library, "curl_easy_cleanup", &curl.easy_cleanup, fault);
  find(library, "curl_easy_strerror", &curl.easy_strerror, fault);
  find(library, "curl_easy_setopt", &curl.easy_setopt, fault);
  find(library, "curl_easy_getinfo", &curl.easy_getinfo, fault);
  find(library, "curl_slist_append", &curl.slist_append, fault);
  find(library, "curl_slist_free_all", &curl.slist_free_all, fault);
  find(library, "curl_multi_init", &curl.multi_init, fault);
  find(library, "curl_multi_cleanup", &curl.multi_cleanup, fault);
  find(library, "curl_multi_add_handle", &curl.multi_add_handle, fault);
  find(library, "curl_multi_remove_handle", &curl.multi_remove_handle, fault);
  find(library, "curl_multi_poll", &curl.multi_poll, fault);
  find(library, "curl_multi_perform", &curl.multi_perform, fault);
  find(library, "curl_multi_info_read", &curl.multi_info_read, fault);
  find(library, "curl_url", &curl.url, fault);
  find(library, "curl_url_cleanup", &curl.url_cleanup, fault);
  find(library, "curl_url_set", &curl.url_set, fault);
  find(library, "curl_url_get", &curl.url_get, fault);
  find(library, "curl_free", &curl.free, fault);
  if (fault->empty() && curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) *fault = "libcurl does not start";
  return curl;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary loaded = load();
  return loaded;
}

}  // namespace pawl::runner
