"""Computer vision and astronomy."""

from __future__ import annotations

from tests.matrix.entry import VISION, library

pillow = library(VISION, "pillow", "PIL")
opencv = library(VISION, "opencv-python-headless", "cv2")
skimage = library(VISION, "scikit-image", "skimage")
photutils = library(VISION, "photutils")
astropy = library(VISION, "astropy")
imageio = library(VISION, "imageio")

_SKY = "import numpy as np\nsky = np.random.default_rng(1).normal(10, 1, (40, 40)); sky[10:14, 10:14] += 90; sky[25:29, 30:33] += 50\n"

ENTRIES = (
    pillow(
        "PIL.Image",
        "from PIL import Image; x = Image.new('RGB', (4, 3), 'red')",
        "x.putpixel((1, 1), (0, 0, 9))",
        "(x.tobytes(), x.size, x.mode, x.info)",
    ),
    pillow(
        "PIL.Image (palette)",
        "from PIL import Image; x = Image.new('RGB', (4, 4), 'red').quantize(4)",
        "x.putpalette([1] * 12)",
        "(x.tobytes(), x.getpalette()[:12])",
    ),
    pillow(
        "PIL.Image (from a file)",
        "from PIL import Image; Image.new('L', (3, 3), 7).save('a.png'); x = Image.open('a.png')",
        "x.info['k'] = 'v'",
        "(x.copy().tobytes(), x.info.get('k'), x.format)",
    ),
    pillow(
        "ImageDraw",
        "from PIL import Image, ImageDraw; image = Image.new('L', (6, 6)); x = ImageDraw.Draw(image)",
        "x.line((0, 0, 5, 5), fill=200)",
        "(image.tobytes(), x._image is image)",
        described=False,
    ),
    pillow(
        "ImageFont",
        "from PIL import ImageFont; x = ImageFont.load_default(12)",
        "x = ImageFont.load_default(20)",
        "(x.size, x.getlength('abc'))",
    ),
    pillow("ImageFilter", "from PIL import ImageFilter; x = ImageFilter.GaussianBlur(2)", "x.radius = 3", "x.radius"),
    pillow(
        "ImageEnhance",
        "from PIL import Image, ImageEnhance; x = ImageEnhance.Brightness(Image.new('L', (2, 2), 100))",
        "x.image.putpixel((0, 0), 9)",
        "x.enhance(0.5).tobytes()",
    ),
    pillow("Image.Exif", "from PIL import Image; x = Image.Exif(); x[271] = 'make'", "x[272] = 'model'", "dict(x)"),
    pillow(
        "PIL.Image (list of frames)",
        "from PIL import Image, ImageSequence; x = [Image.new('P', (2, 2), n) for n in range(3)]",
        "x[1].putpixel((0, 0), 9)",
        "[each.tobytes() for each in x]",
    ),
    opencv(
        "cv2.KeyPoint",
        "import cv2; x = cv2.KeyPoint(1.0, 2.0, 3.0)",
        "x.size = 9.0",
        "(x.pt, x.size, x.angle)",
        described=False,
    ),
    opencv(
        "cv2.DMatch",
        "import cv2; x = cv2.DMatch(1, 2, 0.5)",
        "x.distance = 0.75",
        "(x.queryIdx, x.trainIdx, x.distance)",
        described=False,
    ),
    opencv(
        "cv2.ORB", "import cv2; x = cv2.ORB_create(50)", "x.setMaxFeatures(70)", "x.getMaxFeatures()", described=False
    ),
    opencv(
        "cv2.UMat",
        "import cv2, numpy as np; x = cv2.UMat(np.eye(3, dtype='f'))",
        "cv2.add(x, x, x)",
        "x.get().tolist()",
        described=False,
    ),
    opencv(
        "cv2.VideoWriter",
        "import cv2; x = cv2.VideoWriter('v.avi', cv2.VideoWriter_fourcc(*'MJPG'), 5, (8, 8))",
        "x.release()",
        "x.isOpened()",
        described=False,
    ),
    opencv(
        "cv2.KalmanFilter",
        "import cv2, numpy as np; x = cv2.KalmanFilter(2, 1); x.statePre = np.ones((2, 1), 'f')",
        "x.statePre = np.zeros((2, 1), 'f')",
        "x.statePre.tolist()",
        described=False,
    ),
    opencv(
        "cv2.BackgroundSubtractorMOG2",
        "import cv2, numpy as np; x = cv2.createBackgroundSubtractorMOG2(); _ = x.apply(np.zeros((8, 8), 'u1'))",
        "x.setHistory(7)",
        "x.getHistory()",
        described=False,
    ),
    opencv(
        "cv2.CLAHE", "import cv2; x = cv2.createCLAHE(2.0)", "x.setClipLimit(4.0)", "x.getClipLimit()", described=False
    ),
    skimage(
        "skimage RegionProperties",
        "import numpy as np; from skimage.measure import label, regionprops; image = label(np.kron(np.eye(3, dtype=int), np.ones((2, 2), int))); x = regionprops(image)",
        "x.pop()",
        "[(each.label, each.area, each.bbox) for each in x]",
    ),
    skimage(
        "skimage AffineTransform",
        "from skimage.transform import AffineTransform; x = AffineTransform(scale=(2, 3))",
        "x.params[0, 2] = 5",
        "x([[1.0, 1]]).tolist()",
    ),
    skimage(
        "skimage PiecewiseAffineTransform",
        "import numpy as np; from skimage.transform import PiecewiseAffineTransform; x = PiecewiseAffineTransform(); s = np.array([[0, 0], [0, 9.], [9, 0], [9, 9]]); _ = x.estimate(s, s + 1)",
        "x.affines[0].params[0, 2] = 5",
        "x([[1.0, 1], [5, 4]]).tolist()",
    ),
    skimage(
        "skimage ORB",
        "import numpy as np; from skimage.feature import ORB; x = ORB(n_keypoints=5)",
        "x.n_keypoints = 9",
        "x.n_keypoints",
    ),
    skimage(
        "skimage ImageCollection",
        "import numpy as np; from skimage.io import ImageCollection; x = ImageCollection(['a.png', 'b.png'], load_func=lambda name: np.full((2, 2), ord(name[0])), conserve_memory=False)",
        "x = ImageCollection(['c.png'], load_func=x.load_func)",
        "x.files",
    ),
    skimage(
        "skimage graph.RAG",
        "import numpy as np; from skimage.graph import RAG; x = RAG(np.array([[1, 1], [2, 3]]))",
        "x.remove_node(3)",
        "sorted(map(sorted, x.edges()))",
    ),
    photutils(
        "CircularAperture",
        "from photutils.aperture import CircularAperture; x = CircularAperture([(5, 5), (9, 9)], r=3)",
        "x.r = 4",
        "(x.positions.tolist(), x.r, x.area)",
    ),
    photutils(
        "ApertureStats",
        _SKY
        + "from photutils.aperture import ApertureStats, CircularAperture; x = ApertureStats(sky, CircularAperture([(12, 12)], 3)); _ = x.mean",
        "x = ApertureStats(sky * 2, CircularAperture([(12, 12)], 3)); _ = x.mean",
        "x.sum.tolist()",
        described=False,
    ),
    photutils(
        "SegmentationImage",
        _SKY + "from photutils.segmentation import detect_sources; x = detect_sources(sky, 30, 5)",
        "x.remove_label(1)",
        "(x.labels.tolist(), x.data.sum())",
    ),
    photutils(
        "SourceCatalog",
        _SKY
        + "from photutils.segmentation import SourceCatalog, detect_sources; x = SourceCatalog(sky, detect_sources(sky, 30, 5))",
        "x = x[:1]",
        "x.to_table()['area', 'segment_flux'].pformat()",
        described=False,
    ),
    photutils(
        "Background2D",
        _SKY + "from photutils.background import Background2D; x = Background2D(sky, (10, 10))",
        "x = Background2D(sky + 1, (10, 10))",
        "(round(float(x.background_median), 6), x.background.sum().round(6))",
        described=False,
    ),
    photutils(
        "MedianBackground",
        "from photutils.background import MedianBackground; x = MedianBackground()",
        "x.sigma_clip.sigma = 5",
        "(x.sigma_clip.sigma, float(x([1., 2, 9])))",
    ),
    photutils(
        "ImagePSF",
        "import numpy as np; from photutils.psf import ImagePSF; x = ImagePSF(np.ones((5, 5)))",
        "x.flux = 3",
        "(float(x.flux.value), float(x(0, 0)))",
    ),
    astropy(
        "astropy Table",
        "from astropy.table import Table; x = Table({'a': [1, 2], 's': ['u', 'v']})",
        "x['a'][0] = 9",
        "(x.pformat(), x.meta)",
    ),
    astropy(
        "astropy QTable",
        "from astropy.table import QTable; import astropy.units as u; x = QTable({'d': [1, 2] * u.m})",
        "x['d'][0] = 5 * u.km",
        "x.pformat()",
    ),
    astropy(
        "astropy Quantity",
        "import astropy.units as u; x = [1.0, 2] * u.km",
        "x[0] = 7 * u.m",
        "(x.to_value('m').tolist(), x.unit)",
    ),
    astropy(
        "astropy Unit",
        "import astropy.units as u; x = [u.km / u.s]",
        "x.append(u.def_unit('furlong', 201 * u.m))",
        "list(map(str, x))",
    ),
    astropy(
        "astropy SkyCoord",
        "from astropy.coordinates import SkyCoord; x = SkyCoord([10., 20], [1., 2], unit='deg')",
        "x[0] = SkyCoord(30, 3, unit='deg')",
        "(x.ra.deg.tolist(), x.galactic.l.deg.round(8).tolist())",
    ),
    astropy(
        "astropy Time",
        "from astropy.time import Time; x = Time(['2024-01-01', '2024-02-01'])",
        "x[0] = Time('2025-01-01')",
        "(x.isot.tolist(), x.scale)",
    ),
    astropy(
        "astropy WCS",
        "from astropy.wcs import WCS; x = WCS(naxis=2); x.wcs.crval = [10, 20]; x.wcs.ctype = ['RA---TAN', 'DEC--TAN']",
        "x.wcs.crpix = [5, 5]",
        "(x.to_header_string(), x.wcs_pix2world([[1, 1]], 1).tolist(), x.naxis, x.pixel_shape)",
        described=False,
    ),
    astropy(
        "astropy HDUList",
        "import numpy as np; from astropy.io import fits; x = fits.HDUList([fits.PrimaryHDU(np.eye(3))])",
        "x[0].header['OBJECT'] = 'M31'",
        "(x[0].header.tostring(), x[0].data.tolist())",
        described=False,
    ),
    astropy(
        "astropy Header",
        "from astropy.io import fits; x = fits.Header({'A': 1})",
        "x['A'] = (2, 'comment')",
        "x.tostring()",
    ),
    astropy(
        "astropy Gaussian2D",
        "from astropy.modeling.models import Gaussian2D; x = Gaussian2D(1, 2, 3)",
        "x.amplitude = 7",
        "(x.parameters.tolist(), float(x(2, 3)))",
    ),
    astropy(
        "astropy CompoundModel",
        "from astropy.modeling.models import Const1D, Gaussian1D; x = Gaussian1D(1, 2, 3) + Const1D(1)",
        "x.amplitude_1 = 5",
        "(x.parameters.tolist(), float(x(2)))",
    ),
    astropy(
        "astropy NDData",
        "import numpy as np; from astropy.nddata import CCDData; x = CCDData(np.eye(2), unit='adu')",
        "x.data[0, 1] = 4",
        "(x.data.tolist(), str(x.unit), x.mask)",
    ),
    astropy(
        "astropy FlatLambdaCDM",
        "from astropy.cosmology import FlatLambdaCDM; x = FlatLambdaCDM(70, 0.3, name='mine')",
        "x = x.clone(name='other', H0=80)",
        "(float(x.H0.value), float(x.luminosity_distance(1).value))",
    ),
    astropy(
        "astropy TimeSeries",
        "from astropy.timeseries import TimeSeries; from astropy.time import Time; import astropy.units as u; x = TimeSeries(time=Time(['2024-01-01', '2024-01-02']), data={'f': [1., 2]})",
        "x['f'][0] = 4",
        "x.pformat()",
        described=False,
    ),
    imageio(
        "imageio Array",
        "import imageio.v2 as iio, numpy as np; iio.imwrite('i.png', np.eye(3, dtype='u1') * 255); x = iio.imread('i.png')",
        "x[0, 0] = 7",
        "(x.tolist(), type(x).__name__)",
    ),
)
