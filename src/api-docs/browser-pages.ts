import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A page that shows the OpenAPI document and loads files from our own origin only. */
export interface BrowserPage {
  path: string;
  html: string;
  /** Content-Security-Policy. */
  policy: string;
  /** What the page loads, by the address below `path`. */
  files: Record<string, PageFile>;
}

export interface PageFile {
  mediaType: string;
  /** The text, or a function that returns the path of the file on disk. */
  content: string | (() => string);
}

const JAVASCRIPT = 'text/javascript; charset=utf-8';
const CSS = 'text/css; charset=utf-8';

const fromHere = createRequire(import.meta.url);
/** Swagger UI is a dependency of `@nestjs/swagger`, so it is resolved from there. */
const fromSwagger = () => createRequire(fromHere.resolve('@nestjs/swagger'));

const OWN_ORIGIN_ONLY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; font-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Addresses are relative, so that the page also works behind a gateway that adds a prefix. */
export const BROWSER_PAGES: readonly BrowserPage[] = [
  {
    path: '/api/docs',
    html: page('docs', '<link rel="stylesheet" href="docs/swagger-ui.css">', 'swagger-ui-bundle.js'),
    policy: `${OWN_ORIGIN_ONLY}; style-src 'self'`,
    files: {
      'swagger-ui.css': {
        mediaType: CSS,
        content: () => fromSwagger().resolve('swagger-ui-dist/swagger-ui.css'),
      },
      'swagger-ui-bundle.js': {
        mediaType: JAVASCRIPT,
        content: () => fromSwagger().resolve('swagger-ui-dist/swagger-ui-bundle.js'),
      },
      'start.js': {
        mediaType: JAVASCRIPT,
        // By default Swagger UI sends the document's address to a public validator.
        content:
          "SwaggerUIBundle({ url: 'openapi.json', dom_id: '#page', deepLinking: true, validatorUrl: null });\n",
      },
    },
  },
  {
    path: '/api/redoc',
    // Redoc adds style elements and searches in a worker from a blob URL. Its vendor's logo, from another origin, is
    // blocked.
    html: page('redoc', '', 'redoc.standalone.js'),
    policy: `${OWN_ORIGIN_ONLY}; style-src 'self' 'unsafe-inline'; worker-src blob:`,
    files: {
      'redoc.standalone.js': {
        mediaType: JAVASCRIPT,
        // The build copies it beside this file: the package has 65 MB that nothing needs at run time.
        content: () => fileURLToPath(new URL('redoc.standalone.js', import.meta.url)),
      },
      'start.js': {
        mediaType: JAVASCRIPT,
        content: "Redoc.init('openapi.json', {}, document.getElementById('page'));\n",
      },
    },
  },
];

function page(folder: string, head: string, bundle: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Admit One: the HTTP interface</title>
<link rel="icon" href="data:,">
${head}
</head>
<body>
<div id="page"></div>
<script src="${folder}/${bundle}"></script>
<script src="${folder}/start.js"></script>
</body>
</html>
`;
}
