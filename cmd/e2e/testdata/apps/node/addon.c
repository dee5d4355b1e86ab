/* A native module of Node's. The few declarations that it needs of Node-API,
   whose binary interface is fixed, stand here: Debian's headers are another
   package than Node. */
#include <stddef.h>
#include <stdint.h>

typedef struct napi_env_s *napi_env;
typedef struct napi_value_s *napi_value;
typedef struct napi_info_s *napi_info;
typedef napi_value (*napi_function)(napi_env, napi_info);

extern int napi_create_int32(napi_env, int32_t, napi_value *);
extern int napi_create_function(napi_env, const char *, size_t, napi_function, void *, napi_value *);
extern int napi_set_named_property(napi_env, napi_value, const char *, napi_value);

static napi_value answer(napi_env env, napi_info info)
{
	napi_value result = NULL;
	(void)info;
	napi_create_int32(env, 42, &result);
	return result;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
	napi_value function = NULL;
	napi_create_function(env, "answer", 6, answer, NULL, &function);
	napi_set_named_property(env, exports, "answer", function);
	return exports;
}
