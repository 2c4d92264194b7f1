/* The one file's way in: CPython, started with nothing from outside, running the modules that are frozen into it.
 *
 * Called by any name it is the launcher. Called `secrets-exec:NAME` it is one of the launcher's small programs
 * (envinject/child/program.py), as busybox is many by its name.
 */

#include <Python.h>

#include <limits.h>
#include <nss.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "frozen.h" /* made by freeze.py: frozen_modules[], authorities[], authorities_size */

#define PROGRAM "secrets-exec:"
#define SIGNALLED 128
#define BUG 70

/* Signals, before there is an interpreter */

static void end(int number) { _exit(SIGNALLED + number); }

/* A first process has no default actions: until it handles a signal, the kernel drops it. So a TERM that comes in our
 * first milliseconds would be lost. What is ignored stays so. */
static void end_on_signals(void) {
    static const int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        struct sigaction given, ours = {.sa_handler = end};
        if (sigaction(ending[i], NULL, &given) == 0 && given.sa_handler == SIG_DFL) sigaction(ending[i], &ours, NULL);
    }
}

/* Names */

/* The C library looks names up in files and by DNS with what is linked in. Anything else that /etc/nsswitch.conf may
 * ask for would be loaded from a shared library, of which an empty root has none, and another system another one. */
static void look_up_by_ourselves(void) {
    static const char *const tables[] = {"passwd", "group", "services", "protocols", "networks"};
    __nss_configure_lookup("hosts", "files dns");
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) __nss_configure_lookup(tables[i], "files");
}

/* The module _secrets_exec: what Python has no function for */

static PyObject *own_prctl(PyObject *self, PyObject *args) {
    (void)self;
    int option;
    unsigned long value;
    if (!PyArg_ParseTuple(args, "ik", &option, &value)) return NULL;
    if (prctl(option, value, 0, 0, 0) < 0) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyObject *own_authorities(PyObject *self, PyObject *args) {
    (void)self, (void)args;
    return PyBytes_FromStringAndSize((const char *)authorities, (Py_ssize_t)authorities_size);
}

/* AES-256-GCM, for the cache: the package cryptography, which has it elsewhere, is not inside. */

#define TAG 16

/* Seals (1) or opens (0) `data` into `result`, which has room for it; 0 when it does not open. */
static int run_cipher(int seals, const Py_buffer *key, const Py_buffer *nonce, const Py_buffer *data,
                      const Py_buffer *bound, unsigned char *result) {
    Py_ssize_t size = seals ? data->len : data->len - TAG;
    unsigned char *tag = seals ? result + size : (unsigned char *)data->buf + size;
    int done = 0;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int fits = key->len == 32 && nonce->len == 12 && size >= 0 && data->len < INT_MAX && bound->len < INT_MAX;
    int works = cipher && fits &&
                EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->buf, nonce->buf, seals) &&
                EVP_CipherUpdate(cipher, NULL, &done, bound->buf, (int)bound->len) &&
                EVP_CipherUpdate(cipher, result, &done, data->buf, (int)size) &&
                (seals || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG, tag)) &&
                EVP_CipherFinal_ex(cipher, result + done, &done) &&
                (!seals || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG, tag));
    EVP_CIPHER_CTX_free(cipher);
    return works;
}

static PyObject *own_cipher(PyObject *self, PyObject *args) {
    (void)self;
    int seals;
    Py_buffer given[4]; /* key, nonce, data, bound */
    if (!PyArg_ParseTuple(args, "py*y*y*y*", &seals, &given[0], &given[1], &given[2], &given[3])) return NULL;
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    Py_ssize_t size = seals ? given[2].len + TAG : given[2].len - TAG;
    PyObject *result = PyBytes_FromStringAndSize(NULL, size < 0 ? 0 : size);
    unsigned char *place = result ? (unsigned char *)PyBytes_AS_STRING(result) : NULL;
    int works = result && run_cipher(seals, &given[0], &given[1], &given[2], &given[3], place);
    for (int i = 0; i < 4; i++) PyBuffer_Release(&given[i]);
    if (result && !works) Py_SETREF(result, Py_NewRef(Py_None));
    return result;
}

static PyMethodDef own_functions[] = {
    {"prctl", own_prctl, METH_VARARGS, "prctl(option, value): see prctl(2)."},
    {"authorities", own_authorities, METH_NOARGS, "The bundle of certificate authorities, as PEM."},
    {"cipher", own_cipher, METH_VARARGS, "cipher(seals, key, nonce, data, bound); None when it does not open."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef own_module = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "_secrets_exec", .m_size = -1, .m_methods = own_functions};

static PyObject *init_own(void) { return PyModule_Create(&own_module); }

/* The modules in C that are inside: Python's own, those that Debian keeps as shared libraries, those from PyPI. This
 * table stands for the one of libpython (config.c), which has more; an import goes through it from its begin. */

/* OpenSSL reads no configuration: a file of the system may name engines and providers that are not in here. */
static void start_openssl(void) { OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL); }

#define AFTER(action, module) \
    PyObject *PyInit_##module(void); \
    static PyObject *init_##module(void) { return action, PyInit_##module(); }
AFTER(start_openssl(), _ssl)
AFTER((start_openssl(), look_up_by_ourselves()), _pycurl)
AFTER(look_up_by_ourselves(), _socket)
AFTER(look_up_by_ourselves(), grp)
AFTER(look_up_by_ourselves(), pwd)

#define MODULES(_) \
    _(_thread) _(_weakref) _(_abc) _(_codecs) _(_io) _(_signal) _(_stat) _(_string) _(errno) _(itertools) _(posix) \
    _(time) _(_collections) _(_functools) _(_operator) _(_json) _(_sre) _(_struct) _(binascii) _(fcntl) _(math) \
    _(resource) _(select) _(_ast) _(_bisect) _(_blake2) _(_contextvars) _(_csv) _(_datetime) _(_heapq) _(_imp) _(faulthandler) \
    _(_locale) _(_md5) _(_opcode) _(_posixsubprocess) _(_queue) _(_random) _(_sha1) _(_sha256) _(_sha3) _(_sha512) \
    _(_tokenize) _(_tracemalloc) _(_typing) _(array) _(atexit) _(gc) _(termios) _(unicodedata) _(zlib)

#define DECLARED(module) PyObject *PyInit_##module(void);
#define IN_TABLE(module) {#module, PyInit_##module},
MODULES(DECLARED)
PyObject *PyMarshal_Init(void), *_PyWarnings_Init(void), *PyInit__psutil_linux(void);

struct _inittab _PyImport_Inittab[] = {
    {"builtins", NULL},
    {"sys", NULL},
    {"marshal", PyMarshal_Init},
    {"_warnings", _PyWarnings_Init},
    {"_secrets_exec", init_own},
    {"_pycurl", init__pycurl},
    MODULES(IN_TABLE)
    {"_socket", init__socket},
    {"_ssl", init__ssl},
    {"grp", init_grp},
    {"pwd", init_pwd},
    {"_psutil_linux", PyInit__psutil_linux},
    {NULL, NULL},
};

/* The interpreter */

/* Our own path, absolute, for starting ourselves once more. Without /proc it is what we were called by, from here. */
static const char *own_path(void) {
    static char path[8192];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length > 0) {
        path[length] = '\0';
        return access(path, X_OK) == 0 ? path : "/proc/self/exe"; /* replaced or removed since */
    }
    const char *called = (const char *)getauxval(AT_EXECFN);
    if (called == NULL || called[0] == '/' || getcwd(path, 4096) == NULL) return called == NULL ? "" : called;
    if (strlen(called) < 4096) strcat(strcat(path, "/"), called);
    return path;
}

static void fail(PyStatus status) {
    if (!PyStatus_Exception(status)) return;
    fprintf(stderr, "secrets-exec: error: the interpreter cannot start: %s\n", status.err_msg ? status.err_msg : "");
    _exit(BUG);
}

static void set(PyConfig *config, wchar_t **field, const char *text) {
    fail(PyConfig_SetBytesString(config, field, text));
}

/* Stands for a function of libpython (getpath.c), which runs a program in Python to find the folders of an
 * installation: of which there is none. */
PyStatus _PyConfig_InitPathConfig(PyConfig *config, int compute) {
    (void)config, (void)compute;
    return PyStatus_Ok();
}

/* No file, no variable, no folder of the system is looked at: every module is in here. Text is UTF-8. */
static void start(int argc, char **argv) {
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    before.configure_locale = 0;
    fail(Py_PreInitialize(&before));

    PyImport_FrozenModules = frozen_modules;

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.parse_argv = 0;
    config.pathconfig_warnings = 0;
    config.write_bytecode = 0;
    config.use_frozen_modules = 1;
    config.install_signal_handlers = 1; /* SIGPIPE becomes an error, as in every Python program */
    config.module_search_paths_set = 1; /* to nothing */
    set(&config, &config.executable, own_path());
    wchar_t **const folders[] = {&config.prefix, &config.exec_prefix, &config.base_prefix, &config.base_exec_prefix,
                                 &config.base_executable, &config.stdlib_dir, &config.platlibdir};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) set(&config, folders[i], "");
    fail(PyConfig_SetBytesArgv(&config, argc, argv));
    fail(Py_InitializeFromConfig(&config));
}

/* Hardly anything of a short life is garbage: to look for it takes a twentieth of a start. */
static void seldom_collect(void) {
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *done = gc ? PyObject_CallMethod(gc, "set_threshold", "i", 50000) : NULL;
    if (done == NULL) PyErr_Clear();
}

static int run(const char *module) {
    PyObject *found = PyImport_ImportModule(module);
    PyObject *result = found ? PyObject_CallMethod(found, "main", NULL) : NULL;
    if (result == NULL) PyErr_Print(); /* a SystemExit ends us here, with its code */
    return result == NULL ? BUG : 0;
}

int main(int argc, char **argv) {
    const char *name = argc > 0 ? argv[0] : "";
    int is_program = strncmp(name, PROGRAM, strlen(PROGRAM)) == 0;
    if (!is_program) end_on_signals();
    start(argc, argv);
    seldom_collect();
    _exit(run(is_program ? name + strlen(PROGRAM) : "envinject.__main__"));
}
