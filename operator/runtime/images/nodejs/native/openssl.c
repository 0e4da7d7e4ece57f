// Node has no call that seeds OpenSSL's generator. Its program exports OpenSSL's own.
#include <node_api.h>
#include <openssl/rand.h>

// add(bytes): mixes bytes into the generator, which takes fresh ones of the kernel's besides.
static napi_value add(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value given;
  void *bytes = NULL;
  if (napi_get_cb_info(env, info, &count, &given, NULL, NULL) != napi_ok || count != 1 ||
      napi_get_buffer_info(env, given, &bytes, &length) != napi_ok) {
    napi_throw_type_error(env, NULL, "add takes a Buffer");
    return NULL;
  }
  RAND_add(bytes, (int)length, (double)length);
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "add", NAPI_AUTO_LENGTH, add, NULL, &function) != napi_ok ||
      napi_set_named_property(env, exports, "add", function) != napi_ok) {
    return NULL;
  }
  return exports;
}
