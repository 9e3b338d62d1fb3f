//! Calls into C: return codes become errors, and log lines are caught.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use lightgbm3_sys as sys;
use spec::{Error, Result};

// LightGBM reads Arrow through nanoarrow. lightgbm3-sys 1.0.11 builds it but links only LightGBM's own archive;
// nanoarrow's stays in the build folder, which is on the search path. Without it LightGBM's Arrow functions do
// not link. (A later lightgbm3-sys may link it itself: then this block goes.)
#[link(name = "build/external_libs/nanoarrow/libnanoarrow_static.a", kind = "static", modifiers = "+verbatim")]
unsafe extern "C" {
    fn ArrowSchemaViewInit(view: *mut c_void, schema: *const c_void, error: *mut c_void) -> c_int;
}

/// Never called from here: linkers that read archives once take nanoarrow's only if something before LightGBM's
/// archive needs it.
#[used]
static NANOARROW: unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void) -> c_int = ArrowSchemaViewInit;

thread_local! {
    static LISTENING: Cell<bool> = const { Cell::new(false) };
    static HEARD: RefCell<String> = const { RefCell::new(String::new()) };
}

const WARNING: &str = "[LightGBM] [Warning] ";

/// Runs a C function that returns 0 or -1. `doing` completes "cannot …".
pub(super) fn call(doing: &str, function: impl FnOnce() -> c_int) -> Result<()> {
    listen();
    if function() == 0 {
        return Ok(());
    }
    // SAFETY: LightGBM returns a NUL-terminated text of this thread, which only its next call can change; it
    // is copied before that.
    let cause = unsafe { CStr::from_ptr(sys::LGBM_GetLastError()) }.to_string_lossy().into_owned();
    Err(Error::cannot_run(format!("lightgbm: cannot {doing}: {}", plain(&cause))))
}

/// A cause without the place in LightGBM's source: `Check failed: (num_leaves) > (1) at /src/io/config.cpp, line 5 .`
fn plain(cause: &str) -> String {
    let cause = cause.trim().trim_start_matches("[LightGBM] [Fatal] ");
    let is_place = |at: &str| [".cpp, line ", ".h, line ", ".hpp, line "].iter().any(|end| at.contains(end));
    let cause = match cause.rfind(" at ") {
        Some(at) if is_place(&cause[at..]) => &cause[..at],
        _ => cause,
    };
    match cause.strip_prefix("Check failed: ") {
        Some(condition) => format!("this must hold: {}", condition.replace(['(', ')'], "")),
        None => cause.trim_end_matches(['.', ' ']).to_owned(),
    }
}

/// What LightGBM warned of on this thread since the last time, each warning once.
pub(crate) fn take_warnings() -> Vec<String> {
    let heard = HEARD.take();
    let mut warnings: Vec<String> = Vec::new();
    for line in heard.lines() {
        if let Some(warning) = line.strip_prefix(WARNING)
            && !warnings.iter().any(|known| known == warning)
        {
            warnings.push(warning.to_owned());
        }
    }
    warnings
}

/// LightGBM's number of threads is one for the whole process, and buffers are made for as many as there were. A caller that sets
/// it works alone; all others hold a share.
static THREADS: RwLock<()> = RwLock::new(());

/// A share in the number of threads as it is.
pub(super) fn with_threads() -> RwLockReadGuard<'static, ()> {
    THREADS.read().unwrap_or_else(PoisonError::into_inner)
}

/// The right to set the number of threads.
pub(super) fn alone() -> RwLockWriteGuard<'static, ()> {
    THREADS.write().unwrap_or_else(PoisonError::into_inner)
}

/// A text as C wants it.
pub(super) fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::cannot_run(format!("lightgbm: '{}' holds a zero byte", text.escape_debug())))
}

/// Number of rows or columns as LightGBM counts them.
pub(super) fn c_count(count: usize, of: &str) -> Result<c_int> {
    c_int::try_from(count).map_err(|_| {
        Error::cannot_run(format!("lightgbm: {count} {of} are more than the {} it can hold", c_int::MAX))
            .hint("learn from a sample")
    })
}

/// LightGBM holds its log callback per thread; without one it prints to stdout, which belongs to the tool.
fn listen() {
    static CORES: Once = Once::new();
    CORES.call_once(|| {
        // OpenMP would take every core of the machine even where a container may use only some. The number of
        // threads is not a parameter of the model: its text would differ between machines.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // SAFETY: sets one integer; `Once` lets no other thread of ours do the same at that time.
        unsafe { sys::LGBM_SetMaxThreads(c_int::try_from(cores).unwrap_or(c_int::MAX)) };
    });
    if !LISTENING.replace(true) {
        // SAFETY: `hear` is a function of the type that LightGBM calls, lives as long as the program, and does
        // not unwind.
        unsafe { sys::LGBM_RegisterLogCallback(Some(hear)) };
    }
}

unsafe extern "C" fn hear(message: *const c_char) {
    if message.is_null() {
        return;
    }
    // SAFETY: LightGBM passes a NUL-terminated text that lives until this function returns.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    // A thread that is ending, or one that reads its messages, records nothing: never a panic within C++.
    let _ = HEARD.try_with(|heard| {
        if let Ok(mut heard) = heard.try_borrow_mut() {
            heard.push_str(&text);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn causes_name_no_file_of_the_library() {
        let theirs = "Check failed: (num_leaves) > (1) at /b/LightGBM/src/io/config_auto.cpp, line 345 .\n";
        assert_eq!(plain(theirs), "this must hold: num_leaves > 1");
        assert_eq!(plain("Unknown tree learner type x."), "Unknown tree learner type x");
        assert_eq!(plain("look at home"), "look at home");
    }
}
