//! The library itself: where it is looked for, and the functions that are called.

#[cfg(test)]
use std::ffi::c_float;
use std::ffi::{c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{OnceLock, PoisonError, RwLock};

use spec::{Error, Result};

/// The variable with the path of the library.
pub const VARIABLE: &str = "MILLRACE_XGBOOST";

#[cfg(target_os = "macos")]
const FILE: &str = "libxgboost.dylib";
#[cfg(not(target_os = "macos"))]
const FILE: &str = "libxgboost.so";

/// Where `scripts/setup --xgboost`, or pip with `--target .cache/xgboost`, puts it below the project's root.
const FOLDER: &str = ".cache/xgboost/xgboost/lib";

/// The version that is fetched, and with which all is tested.
const TESTED: &str = "3.2.0";

/// Where the library is looked for.
#[derive(Clone, Default)]
struct Places {
    /// The value of [`VARIABLE`].
    named: Option<PathBuf>,
    /// The project's root.
    root: Option<PathBuf>,
}

static PLACES: RwLock<Places> = RwLock::new(Places { named: None, root: None });
static LIBRARY: OnceLock<Library> = OnceLock::new();

/// Says where XGBoost's library may be: at the path that the variable [`VARIABLE`] has, and below the project's root. Without
/// this, and if it is in neither place, only the system's loader looks for it.
pub fn find_xgboost(named: Option<&str>, root: &Path) {
    let named = named.filter(|named| !named.is_empty()).map(|named| root.join(named));
    *PLACES.write().unwrap_or_else(PoisonError::into_inner) = Places { named, root: Some(root.to_owned()) };
}

/// XGBoost's handles.
pub(super) type Handle = *mut c_void;

/// A function of XGBoost's C interface, by its name and arguments; all return 0, or -1 if they failed.
macro_rules! functions {
    ($($(#[$if:meta])? $field:ident = $symbol:literal ($($argument:ty),*);)*) => {
        /// XGBoost's functions. They live as long as the program: the library is never closed.
        pub(crate) struct Library {
            /// Major, minor, patch.
            pub version: [c_int; 3],
            pub(super) last_error: unsafe extern "C" fn() -> *const c_char,
            $($(#[$if])? pub(super) $field: unsafe extern "C" fn($($argument),*) -> c_int,)*
        }

        impl Library {
            /// SAFETY: `library` must be XGBoost, whose functions have these arguments.
            unsafe fn of(library: &libloading::Library) -> std::result::Result<Library, libloading::Error> {
                // SAFETY: by the caller.
                unsafe {
                    Ok(Library {
                        version: [0; 3],
                        last_error: *library.get(b"XGBGetLastError\0")?,
                        $($(#[$if])? $field: *library.get(concat!($symbol, "\0").as_bytes())?,)*
                    })
                }
            }
        }
    };
}

functions! {
    listen = "XGBRegisterLogCallback"(unsafe extern "C" fn(*const c_char));
    data_of_dense = "XGDMatrixCreateFromDense"(*const c_char, *const c_char, *mut Handle);
    set_info = "XGDMatrixSetInfoFromInterface"(Handle, *const c_char, *const c_char);
    set_texts = "XGDMatrixSetStrFeatureInfo"(Handle, *const c_char, *mut *const c_char, u64);
    free_data = "XGDMatrixFree"(Handle);
    begin = "XGBoosterCreate"(*const Handle, u64, *mut Handle);
    set = "XGBoosterSetParam"(Handle, *const c_char, *const c_char);
    describe = "XGBoosterSetStrFeatureInfo"(Handle, *const c_char, *mut *const c_char, u64);
    grow = "XGBoosterUpdateOneIter"(Handle, c_int, Handle);
    evaluate = "XGBoosterEvalOneIter"(Handle, c_int, *mut Handle, *mut *const c_char, u64, *mut *const c_char);
    slice = "XGBoosterSlice"(Handle, c_int, c_int, c_int, *mut Handle);
    save = "XGBoosterSaveModelToBuffer"(Handle, *const c_char, *mut u64, *mut *const c_char);
    #[cfg(test)]
    load = "XGBoosterLoadModelFromBuffer"(Handle, *const c_void, u64);
    #[cfg(test)]
    predict = "XGBoosterPredictFromDMatrix"(
        Handle, Handle, *const c_char, *mut *const u64, *mut u64, *mut *const c_float
    );
    free = "XGBoosterFree"(Handle);
}

impl Library {
    /// The library, opened once. Errors: it is missing, cannot be opened, or is of another version than those that are
    /// known here.
    pub fn get() -> Result<&'static Library> {
        if let Some(library) = LIBRARY.get() {
            return Ok(library);
        }
        let library = open(&PLACES.read().unwrap_or_else(PoisonError::into_inner).clone())?;
        Ok(LIBRARY.get_or_init(|| library))
    }
}

/// What to do where there is no library.
fn fetch() -> String {
    format!(
        "run 'scripts/setup --xgboost' or, in a project without that script, 'pip install --no-deps --target .cache/xgboost \
         xgboost-cpu=={TESTED}'; or set {VARIABLE} to the path of {FILE}"
    )
}

fn open(Places { named, root }: &Places) -> Result<Library> {
    if let Some(named) = named {
        return match named.is_file() {
            true => open_file(named),
            false => Err(Error::cannot_run(format!("{VARIABLE}: there is no file {}", named.display()))
                .hint(format!("set it to the path of {FILE}, or unset it to use the one in .cache"))),
        };
    }
    if let Some(own) = root.as_ref().map(|root| root.join(FOLDER).join(FILE)).filter(|own| own.is_file()) {
        return open_file(&own);
    }
    // The system's loader looks where it is configured to. Any failure there means that there is none.
    // SAFETY: opening a library runs its initialisers. XGBoost's register its own parts and nothing else.
    match unsafe { libloading::Library::new(FILE) } {
        Ok(library) => checked(library, Path::new(FILE)),
        Err(_) => Err(Error::cannot_run(
            "the learner 'xgboost' needs XGBoost's library, which is neither in the project's .cache nor among the \
             system's libraries",
        )
        .hint(fetch())),
    }
}

fn open_file(path: &Path) -> Result<Library> {
    // Without a '/' the loader would look elsewhere.
    let path = std::path::absolute(path).map_err(|error| Error::io("find", path, &error))?;
    // SAFETY: as above.
    let library = unsafe { libloading::Library::new(&path) }.map_err(|_| {
        Error::cannot_run(format!("{}: cannot be opened as a library of this system", path.display()))
            .hint(format!("it may be damaged, made for another processor, or lack libstdc++; {}", fetch()))
    })?;
    checked(library, &path)
}

/// The functions, if this is a version of XGBoost whose models and parameters are known here.
fn checked(library: libloading::Library, path: &Path) -> Result<Library> {
    let foreign = || {
        Error::cannot_run(format!("{}: not the library of XGBoost 3", path.display()))
            .hint(format!("use that of version {TESTED}: {}", fetch()))
    };
    // SAFETY: this function has had these arguments since XGBoost 1.0.
    let version: unsafe extern "C" fn(*mut c_int, *mut c_int, *mut c_int) =
        unsafe { *library.get(b"XGBoostVersion\0").map_err(|_| foreign())? };
    let [mut major, mut minor, mut patch] = [0; 3];
    // SAFETY: writes three integers.
    unsafe { version(&raw mut major, &raw mut minor, &raw mut patch) };
    if major != 3 {
        return Err(Error::cannot_run(format!(
            "{}: XGBoost {major}.{minor}.{patch}, but only version 3 is supported",
            path.display()
        ))
        .hint(format!("use version {TESTED}: {}", fetch())));
    }
    // SAFETY: XGBoost 3, whose functions have these arguments (`xgboost/c_api.h`).
    let functions = unsafe { Library::of(&library) }.map_err(|_| foreign())?;
    // It must stay open as long as its functions may be called.
    std::mem::forget(library);
    Ok(Library { version: [major, minor, patch], ..functions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_libraries_are_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let error = |named: Option<&Path>, root: Option<&Path>| {
            let places = Places { named: named.map(Path::to_owned), root: root.map(Path::to_owned) };
            open(&places).err().map(|error| error.to_string())
        };
        let gone = folder.path().join("gone.so");
        assert_eq!(
            error(Some(&gone), None).unwrap(),
            format!(
                "MILLRACE_XGBOOST: there is no file {}; set it to the path of {FILE}, or unset it to use the one in .cache",
                gone.display()
            )
        );
        let own = folder.path().join(FOLDER);
        std::fs::create_dir_all(&own).unwrap();
        let own = own.join(FILE);
        std::fs::write(&own, "this is a text").unwrap();
        for found in [error(Some(&own), None), error(None, Some(folder.path()))] {
            let expected =
                format!("{}: cannot be opened as a library of this system; it may be damaged", own.display());
            assert!(found.as_ref().unwrap().starts_with(&expected), "{found:?}");
        }
        // Whether the system has one depends on the system; if not, the command is named.
        if let Some(found) = error(None, None) {
            assert_eq!(
                found,
                "the learner 'xgboost' needs XGBoost's library, which is neither in the project's .cache nor among the \
                 system's libraries; run 'scripts/setup --xgboost' or, in a project without that script, 'pip install \
                 --no-deps --target .cache/xgboost xgboost-cpu==3.2.0'; or set MILLRACE_XGBOOST to the path of libxgboost.so"
            );
        }
    }

    /// Every process has the C library open: a library, but another one.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn another_library_is_refused() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let path = maps.lines().find_map(|line| line.rsplit(' ').next().filter(|path| path.contains("/libc.so")));
        let found = open(&Places { named: path.map(PathBuf::from), root: None }).err().unwrap().to_string();
        assert!(found.contains(": not the library of XGBoost 3; use that of version 3.2.0"), "{found}");
    }
}
